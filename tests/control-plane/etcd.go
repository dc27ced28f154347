// The sub-command etcd: one member on loopback, on disk but without fsync.
package main

import (
	"flag"
	"fmt"
	"net/url"
	"os"
	"os/signal"
	"syscall"
	"time"

	"go.etcd.io/etcd/server/v3/embed"
)

const etcdReadyWithin = 30 * time.Second

func etcd(arguments []string) int {
	flags := flag.NewFlagSet("etcd", flag.ExitOnError)
	directory := flags.String("data-dir", "", "directory of the data (required)")
	clientPort := flags.Int("client-port", 0, "port for clients on 127.0.0.1 (required)")
	peerPort := flags.Int("peer-port", 0, "port for peers on 127.0.0.1 (required)")
	_ = flags.Parse(arguments) // ExitOnError: it does not return with one
	if *directory == "" || *clientPort == 0 || *peerPort == 0 {
		fail("etcd: --data-dir, --client-port and --peer-port are required")
	}
	if err := runEtcd(etcdConfiguration(*directory, *clientPort, *peerPort)); err != nil {
		fmt.Fprintf(os.Stderr, "etcd: %v\n", err)
		return 1
	}
	return 0
}

func etcdConfiguration(directory string, clientPort, peerPort int) *embed.Config {
	configuration := embed.NewConfig()
	configuration.Dir = directory
	configuration.LogLevel = "error"
	// The data need to outlive a killed process, not a power cut.
	configuration.UnsafeNoFsync = true
	client, peer := loopback(clientPort), loopback(peerPort)
	configuration.ListenClientUrls, configuration.AdvertiseClientUrls = client, client
	configuration.ListenPeerUrls, configuration.AdvertisePeerUrls = peer, peer
	configuration.InitialCluster = configuration.InitialClusterFromName(configuration.Name)
	return configuration
}

func runEtcd(configuration *embed.Config) error {
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGTERM, syscall.SIGINT)
	server, err := embed.StartEtcd(configuration)
	if err != nil {
		return err
	}
	defer server.Close()
	select {
	case <-server.Server.ReadyNotify():
		fmt.Println("ready")
	case err := <-server.Err():
		return err
	case <-stop:
		return nil
	case <-time.After(etcdReadyWithin):
		return fmt.Errorf("not ready within %s; is the machine overloaded or the disk full?", etcdReadyWithin)
	}
	select {
	case err := <-server.Err():
		return err
	case <-stop:
		return nil
	}
}

func loopback(port int) []url.URL {
	return []url.URL{{Scheme: "http", Host: fmt.Sprintf("127.0.0.1:%d", port)}}
}
