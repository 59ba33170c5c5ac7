// Dynamic provisioner of the local cluster's StorageClass: every claim gets a directory of this node.
// The node's init starts it; it talks to the API server only. ReadWriteMany works because there is one node.
//
// A directory belongs to uid 65532 with mode 1777: the kubelet does not apply fsGroup to hostPath volumes, and Blueno's
// pods run as 65532, users' pods as anybody. Capacity is not enforced.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"time"

	core "k8s.io/api/core/v1"
	storage "k8s.io/api/storage/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/kubernetes/scheme"
	typedcore "k8s.io/client-go/kubernetes/typed/core/v1"
	listers "k8s.io/client-go/listers/storage/v1"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/client-go/tools/record"
	"k8s.io/client-go/util/workqueue"
)

const (
	provisionerName = "blueno.local/directory"
	provisionedBy   = "pv.kubernetes.io/provisioned-by"
	selectedNode    = "volume.kubernetes.io/selected-node"
	owner           = 65532
)

type provisioner struct {
	client  kubernetes.Interface
	classes listers.StorageClassLister
	claims  cache.Store
	volumes cache.Store
	events  record.EventRecorder
	root    string
}

// task names one object to look at again.
type task struct {
	volume bool
	key    string
}

func main() {
	kubeconfig := flag.String("kubeconfig", "", "path")
	root := flag.String("root", "", "directory that holds the volumes")
	flag.Parse()
	if err := run(*kubeconfig, *root); err != nil {
		fmt.Fprintln(os.Stderr, "provisioner:", err)
		os.Exit(1)
	}
}

func run(kubeconfig, root string) error {
	config, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
	if err != nil {
		return err
	}
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return err
	}
	factory := informers.NewSharedInformerFactory(client, 10*time.Minute)
	claims := factory.Core().V1().PersistentVolumeClaims().Informer()
	volumes := factory.Core().V1().PersistentVolumes().Informer()
	classes := factory.Storage().V1().StorageClasses()
	queue := workqueue.NewTypedRateLimitingQueue(workqueue.DefaultTypedControllerRateLimiter[task]())
	for informer, isVolume := range map[cache.SharedIndexInformer]bool{claims: false, volumes: true} {
		add := func(object any) {
			if key, err := cache.MetaNamespaceKeyFunc(object); err == nil {
				queue.Add(task{isVolume, key})
			}
		}
		handler := cache.ResourceEventHandlerFuncs{AddFunc: add, UpdateFunc: func(_, object any) { add(object) }}
		if _, err := informer.AddEventHandler(handler); err != nil {
			return err
		}
	}
	broadcaster := record.NewBroadcaster()
	broadcaster.StartRecordingToSink(&typedcore.EventSinkImpl{Interface: client.CoreV1().Events("")})
	p := &provisioner{
		client: client, classes: classes.Lister(), claims: claims.GetStore(), volumes: volumes.GetStore(), root: root,
		events: broadcaster.NewRecorder(scheme.Scheme, core.EventSource{Component: provisionerName}),
	}
	classes.Informer()
	factory.Start(context.Background().Done())
	factory.WaitForCacheSync(context.Background().Done())
	for {
		t, _ := queue.Get()
		if err := p.handle(t); err != nil {
			fmt.Fprintln(os.Stderr, "provisioner:", t.key, err)
			queue.AddRateLimited(t)
		} else {
			queue.Forget(t)
		}
		queue.Done(t)
	}
}

func (p *provisioner) handle(t task) error {
	store := p.claims
	if t.volume {
		store = p.volumes
	}
	object, found, err := store.GetByKey(t.key)
	if err != nil || !found {
		return err
	}
	if t.volume {
		return p.reclaim(object.(*core.PersistentVolume))
	}
	return p.provision(object.(*core.PersistentVolumeClaim))
}

// provision makes the directory, then the volume that is already reserved for the claim; Kubernetes binds the two.
func (p *provisioner) provision(claim *core.PersistentVolumeClaim) error {
	if claim.Status.Phase != core.ClaimPending || claim.Spec.VolumeName != "" || claim.DeletionTimestamp != nil {
		return nil
	}
	if claim.Spec.StorageClassName == nil {
		return nil
	}
	class, err := p.classes.Get(*claim.Spec.StorageClassName)
	if apierrors.IsNotFound(err) || (err == nil && class.Provisioner != provisionerName) {
		return nil
	}
	if err != nil {
		return err
	}
	waits := class.VolumeBindingMode != nil && *class.VolumeBindingMode == storage.VolumeBindingWaitForFirstConsumer
	if waits && claim.Annotations[selectedNode] == "" {
		return nil
	}
	if claim.Spec.VolumeMode != nil && *claim.Spec.VolumeMode == core.PersistentVolumeBlock {
		p.events.Event(claim, core.EventTypeWarning, "ProvisioningFailed", "this class has directories, no block devices")
		return nil
	}
	volume := p.volume(claim, class)
	if err := makeDirectory(volume.Spec.HostPath.Path); err != nil {
		p.events.Event(claim, core.EventTypeWarning, "ProvisioningFailed", err.Error())
		return err
	}
	_, err = p.client.CoreV1().PersistentVolumes().Create(context.Background(), volume, meta.CreateOptions{})
	if apierrors.IsAlreadyExists(err) {
		return nil
	}
	if err == nil {
		p.events.Event(claim, core.EventTypeNormal, "ProvisioningSucceeded", "made volume "+volume.Name)
	}
	return err
}

func (p *provisioner) volume(claim *core.PersistentVolumeClaim, class *storage.StorageClass) *core.PersistentVolume {
	name := "pvc-" + string(claim.UID)
	directory := core.HostPathDirectory
	volume := &core.PersistentVolume{
		ObjectMeta: meta.ObjectMeta{Name: name, Annotations: map[string]string{provisionedBy: provisionerName}},
		Spec: core.PersistentVolumeSpec{
			Capacity:                      core.ResourceList{core.ResourceStorage: claim.Spec.Resources.Requests[core.ResourceStorage]},
			AccessModes:                   claim.Spec.AccessModes,
			PersistentVolumeReclaimPolicy: core.PersistentVolumeReclaimDelete,
			StorageClassName:              class.Name,
			MountOptions:                  class.MountOptions,
			ClaimRef: &core.ObjectReference{
				Kind: "PersistentVolumeClaim", APIVersion: "v1", UID: claim.UID,
				Namespace: claim.Namespace, Name: claim.Name, ResourceVersion: claim.ResourceVersion,
			},
		},
	}
	if class.ReclaimPolicy != nil {
		volume.Spec.PersistentVolumeReclaimPolicy = *class.ReclaimPolicy
	}
	volume.Spec.HostPath = &core.HostPathVolumeSource{Path: filepath.Join(p.root, name), Type: &directory}
	return volume
}

// makeDirectory sets owner and mode explicitly: mkdir's mode goes through the umask.
func makeDirectory(path string) error {
	if err := os.MkdirAll(path, 0o755); err != nil {
		return err
	}
	if err := os.Chown(path, owner, owner); err != nil {
		return err
	}
	return os.Chmod(path, 0o777|os.ModeSticky)
}

// reclaim removes a released volume, and only the directory that provision made for it.
func (p *provisioner) reclaim(volume *core.PersistentVolume) error {
	if volume.Annotations[provisionedBy] != provisionerName || volume.Spec.HostPath == nil {
		return nil
	}
	released := volume.Status.Phase == core.VolumeReleased
	if !released || volume.Spec.PersistentVolumeReclaimPolicy != core.PersistentVolumeReclaimDelete {
		return nil
	}
	path := filepath.Join(p.root, volume.Name)
	if volume.Spec.HostPath.Path != path {
		return fmt.Errorf("%s is not the directory of volume %s: left alone", volume.Spec.HostPath.Path, volume.Name)
	}
	if err := os.RemoveAll(path); err != nil {
		return err
	}
	err := p.client.CoreV1().PersistentVolumes().Delete(context.Background(), volume.Name, meta.DeleteOptions{})
	if apierrors.IsNotFound(err) {
		return nil
	}
	return err
}
