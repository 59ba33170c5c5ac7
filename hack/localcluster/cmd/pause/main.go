// The process that holds a pod's namespaces open: containerd starts it from the image localhost/blueno/pause,
// which hack/clusterlib/pause_image.py writes. It calls nothing and ends on SIGTERM.
package main

import (
	"os"
	"os/signal"
	"syscall"
)

func main() {
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGTERM, syscall.SIGINT)
	<-stop
}
