package main

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"time"
)

// PKI is what `node pki` is asked for: a CA, the certificates it signs, and the service account key pair.
type PKI struct {
	Directory    string        `json:"directory"`
	Certificates []Certificate `json:"certificates"`
}

// Certificate serves both ends of TLS.
type Certificate struct {
	Name         string   `json:"name"`
	CommonName   string   `json:"commonName"`
	Organization []string `json:"organization"`
	DNS          []string `json:"dns"`
	IPs          []string `json:"ips"`
}

const validity = 10 * 365 * 24 * time.Hour

func writePKI(path string) error {
	data, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	request := PKI{}
	if err := json.Unmarshal(data, &request); err != nil {
		return err
	}
	authority := template(Certificate{CommonName: "blueno-local-ca"})
	authority.IsCA, authority.BasicConstraintsValid = true, true
	authority.KeyUsage |= x509.KeyUsageCertSign
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	if err := sign(request.Directory, "ca", authority, authority, key, key); err != nil {
		return err
	}
	for _, certificate := range request.Certificates {
		own, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			return err
		}
		if err := sign(request.Directory, certificate.Name, template(certificate), authority, own, key); err != nil {
			return err
		}
	}
	return serviceAccountKey(request.Directory)
}

// serviceAccountKey is RSA because RS256 is what every other cluster signs its tokens with.
func serviceAccountKey(directory string) error {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return err
	}
	if err := writeKey(filepath.Join(directory, "sa.key"), key); err != nil {
		return err
	}
	public, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
	if err != nil {
		return err
	}
	return writePEM(filepath.Join(directory, "sa.pub"), "PUBLIC KEY", public, 0o644)
}

func template(c Certificate) *x509.Certificate {
	serial, _ := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	result := &x509.Certificate{
		SerialNumber: serial,
		Subject:      pkix.Name{CommonName: c.CommonName, Organization: c.Organization},
		NotBefore:    time.Now().Add(-time.Hour),
		NotAfter:     time.Now().Add(validity),
		KeyUsage:     x509.KeyUsageDigitalSignature,
		ExtKeyUsage:  []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
		DNSNames:     c.DNS,
	}
	for _, ip := range c.IPs {
		result.IPAddresses = append(result.IPAddresses, net.ParseIP(ip))
	}
	return result
}

func sign(directory, name string, subject, issuer *x509.Certificate, own, signer *ecdsa.PrivateKey) error {
	der, err := x509.CreateCertificate(rand.Reader, subject, issuer, &own.PublicKey, signer)
	if err != nil {
		return err
	}
	if err := writePEM(filepath.Join(directory, name+".crt"), "CERTIFICATE", der, 0o644); err != nil {
		return err
	}
	return writeKey(filepath.Join(directory, name+".key"), own)
}

func writeKey(path string, key crypto.PrivateKey) error {
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return err
	}
	return writePEM(path, "PRIVATE KEY", der, 0o600)
}

func writePEM(path, kind string, der []byte, mode os.FileMode) error {
	return os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), mode)
}
