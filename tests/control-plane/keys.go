// The sub-command keys: the key pair with which service account tokens are signed.
package main

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"flag"
	"fmt"
	"os"
)

const keyBits = 2048

func keys(arguments []string) int {
	flags := flag.NewFlagSet("keys", flag.ExitOnError)
	private := flags.String("private", "", "file to write the private key to (required)")
	public := flags.String("public", "", "file to write the public key to (required)")
	_ = flags.Parse(arguments) // ExitOnError: it does not return with one
	if *private == "" || *public == "" {
		fail("keys: --private and --public are required")
	}
	if err := writeKeys(*private, *public); err != nil {
		fmt.Fprintf(os.Stderr, "keys: %v\n", err)
		return 1
	}
	return 0
}

func writeKeys(private, public string) error {
	key, err := rsa.GenerateKey(rand.Reader, keyBits)
	if err != nil {
		return err
	}
	if err := writePEM(private, "RSA PRIVATE KEY", x509.MarshalPKCS1PrivateKey(key)); err != nil {
		return err
	}
	encoded, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
	if err != nil {
		return err
	}
	return writePEM(public, "PUBLIC KEY", encoded)
}

func writePEM(path, kind string, content []byte) error {
	return os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: content}), 0o600)
}
