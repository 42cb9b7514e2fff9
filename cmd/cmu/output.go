package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// fileFormats are the formats that a file's extension stands for, in lower case.
var fileFormats = map[string]string{
	".json": "json", ".csv": "csv", ".xml": "xml", ".ndjson": "ndjson", ".jsonl": "ndjson", ".html": "html", ".htm": "html",
	".parquet": "parquet",
}

// otherFormats are extensions of what people expect of their names and cmu does not write.
var otherFormats = []string{".gz", ".bz2", ".zst", ".zip", ".tsv", ".xls", ".xlsx", ".ods", ".avro", ".orc"}

// output is where a report is written. Its zero value is stdout.
type output struct {
	name    string // as given
	file    string // what it leads to
	special bool   // no regular file, such as a pipe: it is not replaced but written to
}

// chooseOutput looks at the place that --output names before anything is fetched.
func chooseOutput(name string) (output, error) {
	if name == "" || name == "-" {
		return output{}, nil
	}
	folder := usagef("report: --output: %s is a folder: name a file in it", name)
	info, err := os.Stat(name)
	switch {
	case err == nil && info.IsDir():
		return output{}, folder
	case err == nil && !info.Mode().IsRegular():
		return output{name, name, true}, nil
	case err == nil:
		// A link stays one: what it leads to is replaced.
		file, err := filepath.EvalSymlinks(name)
		return output{name: name, file: file}, err
	case os.IsPathSeparator(name[len(name)-1]):
		return output{}, folder
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return output{}, fmt.Errorf("%s cannot be written: %w", name, cause(err))
	}
	if info, err := os.Stat(filepath.Dir(name)); err != nil {
		return output{}, fmt.Errorf("%s cannot be written: %w", name, cause(err))
	} else if !info.IsDir() {
		return output{}, fmt.Errorf("%s cannot be written: %s is no folder", name, filepath.Dir(name))
	}
	return output{name: name, file: name}, nil
}

// format is the one that the file's name stands for; empty: none.
func (o output) format() string { return fileFormats[strings.ToLower(filepath.Ext(o.name))] }

// promisesOther returns the extension that stands for a format that cmu does not write, if the file's name has one.
func (o output) promisesOther() string {
	extension := strings.ToLower(filepath.Ext(o.name))
	if o.special || !slices.Contains(otherFormats, extension) {
		return ""
	}
	return extension
}

// write writes all or nothing of a file; to stdout and to what is no regular file, as it comes.
func (o output) write(stdout io.Writer, write func(io.Writer) error) error {
	switch {
	case o.file == "":
		return write(stdout)
	case !o.special:
		return replaceFile(o.file, 0o666, write)
	}
	file, err := os.OpenFile(o.file, os.O_WRONLY, 0)
	if err != nil {
		return fmt.Errorf("%s cannot be written: %w", o.file, cause(err))
	}
	err = write(file)
	if closeErr := file.Close(); err == nil {
		err = closeErr
	}
	return err
}
