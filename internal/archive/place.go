package archive

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"strings"
)

// Place holds the objects of an archive under keys: parts with slashes between them. A reader sees an object whole, as one writer has
// put it. There are two: a folder and a bucket.
type Place interface {
	// Keys returns all keys that begin with a prefix, in any order.
	Keys(ctx context.Context, prefix string) ([]string, error)
	// Open returns an object, or an error that wraps fs.ErrNotExist. It must be closed.
	Open(ctx context.Context, key string) (*Object, error)
	// Put replaces the object of that version; the empty version: there must be none. Where another has come meanwhile, or is being
	// put, it changes nothing and returns an error that wraps ErrChanged. Any other error may come after the object was written.
	Put(ctx context.Context, key string, body io.ReadSeeker, version string) error
	// String is what people call the place: a folder, or s3://BUCKET/PREFIX.
	String() string
}

// Object is one version of an object.
type Object struct {
	io.ReaderAt
	Size    int64
	Version string
	close   func() error
}

// Close frees what the object holds.
func (o *Object) Close() error {
	if o.close == nil {
		return nil
	}
	return o.close()
}

// ErrChanged is what the error of a Put wraps when the object is another than it was.
var ErrChanged = errors.New("another writer has changed it")

// bucketScheme begins the names of places in S3.
const bucketScheme = "s3://"

// InBucket reports whether a place is named that lies in a bucket.
func InBucket(place string) bool { return strings.HasPrefix(strings.ToLower(place), bucketScheme) }

// splitBucket takes s3://BUCKET/PREFIX apart. A prefix that is not empty ends in a slash.
func splitBucket(place string) (bucket, prefix string, err error) {
	u, err := url.Parse(place)
	if err != nil || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" || u.Port() != "" {
		return "", "", fmt.Errorf("want s3://BUCKET or s3://BUCKET/PREFIX")
	}
	prefix = strings.Trim(u.Path, "/")
	if prefix != "" {
		prefix += "/"
	}
	return u.Host, prefix, nil
}
