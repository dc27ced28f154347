// The sub-commands from Kubernetes itself; their arguments are upstream's.
package main

import (
	"os"

	"k8s.io/cli-runtime/pkg/genericiooptions"
	"k8s.io/component-base/cli"
	_ "k8s.io/component-base/metrics/prometheus/clientgo" // metrics of the API client, as upstream has them
	_ "k8s.io/component-base/metrics/prometheus/version"  // metric with the stamped version
	kubectlcommand "k8s.io/kubectl/pkg/cmd"
	kubectlutil "k8s.io/kubectl/pkg/cmd/util"
	apiserver "k8s.io/kubernetes/cmd/kube-apiserver/app"
	controllermanager "k8s.io/kubernetes/cmd/kube-controller-manager/app"
)

func apiServer(arguments []string) int {
	command := apiserver.NewAPIServerCommand()
	command.SetArgs(arguments)
	return cli.Run(command)
}

func controllerManager(arguments []string) int {
	command := controllermanager.NewControllerManagerCommand()
	command.SetArgs(arguments)
	return cli.Run(command)
}

func kubectl(arguments []string) int {
	command := kubectlcommand.NewDefaultKubectlCommandWithArgs(kubectlcommand.KubectlOptions{
		PluginHandler: nil, // no plug-ins: what runs is the same everywhere
		Arguments:     append([]string{"kubectl"}, arguments...),
		IOStreams:     genericiooptions.IOStreams{In: os.Stdin, Out: os.Stdout, ErrOut: os.Stderr},
	})
	command.SetArgs(arguments)
	if err := cli.RunNoErrOutput(command); err != nil {
		kubectlutil.CheckErr(err) // says it as kubectl does, and exits
	}
	return 0
}
