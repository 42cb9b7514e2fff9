// Command pack compresses the assets of the explorer into packed, where they are embedded from. With a name of a file and its source
// it packs that alone: make library does so with Chart.js.
package main

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/klauspost/compress/gzip"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "pack:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	if len(args) == 2 {
		return pack(args[1], filepath.Join("packed", args[0]+".gz"))
	}
	sources, err := filepath.Glob("assets/*")
	if err != nil {
		return err
	}
	for _, source := range sources {
		if filepath.Ext(source) == ".ts" {
			continue // types are for the check alone
		}
		if err := pack(source, filepath.Join("packed", filepath.Base(source)+".gz")); err != nil {
			return err
		}
	}
	return nil
}

// pack makes the same bytes of the same source: gzip without a name or a time.
func pack(source, to string) error {
	text, err := os.ReadFile(source)
	if err != nil {
		return err
	}
	f, err := os.Create(to)
	if err != nil {
		return err
	}
	defer f.Close()
	z, err := gzip.NewWriterLevel(f, gzip.BestCompression)
	if err != nil {
		return err
	}
	if _, err := z.Write(text); err != nil {
		return err
	}
	if err := z.Close(); err != nil {
		return err
	}
	return f.Close()
}
