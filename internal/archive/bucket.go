package archive

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"
)

// bucket is a Place in S3.
type bucket struct {
	client       *s3.Client
	name, prefix string
}

// Bucket returns a place in S3, named s3://BUCKET or s3://BUCKET/PREFIX. An endpoint that is set is asked by paths, as stand-ins for
// S3 want it.
func Bucket(cfg aws.Config, place string) (Place, error) {
	name, prefix, err := splitBucket(place)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", place, err)
	}
	client := s3.NewFromConfig(cfg, func(o *s3.Options) {
		o.HTTPClient = newHTTPClient()
		o.UsePathStyle = o.BaseEndpoint != nil
	})
	return &bucket{client, name, prefix}, nil
}

// newHTTPClient returns a client for objects of any size. The time for a whole call is the context's.
func newHTTPClient() *http.Client {
	return &http.Client{
		Transport: &http.Transport{
			Proxy:                 http.ProxyFromEnvironment,
			DialContext:           (&net.Dialer{Timeout: 5 * time.Second, KeepAlive: 30 * time.Second}).DialContext,
			TLSHandshakeTimeout:   5 * time.Second,
			ResponseHeaderTimeout: 30 * time.Second,
			IdleConnTimeout:       90 * time.Second,
		},
		// A redirect would carry signed requests elsewhere.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

func (b *bucket) String() string {
	return strings.TrimSuffix(bucketScheme+b.name+"/"+b.prefix, "/")
}

func (b *bucket) Keys(ctx context.Context, prefix string) (keys []string, err error) {
	pages := s3.NewListObjectsV2Paginator(b.client, &s3.ListObjectsV2Input{Bucket: &b.name, Prefix: aws.String(b.prefix + prefix)})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, b.failed("list", prefix, err)
		}
		for _, o := range page.Contents {
			keys = append(keys, strings.TrimPrefix(aws.ToString(o.Key), b.prefix))
		}
	}
	return keys, nil
}

// tailSize is what is read of an object's end at once: all of a footer, mostly.
const tailSize = 64 << 10

func (b *bucket) Open(ctx context.Context, key string) (*Object, error) {
	head, err := b.client.HeadObject(ctx, &s3.HeadObjectInput{Bucket: &b.name, Key: aws.String(b.prefix + key)})
	if err != nil {
		return nil, b.failed("read", key, err)
	}
	o := &remoteObject{ctx: ctx, bucket: b, key: key, version: aws.ToString(head.ETag), size: aws.ToInt64(head.ContentLength)}
	return &Object{ReaderAt: o, Size: o.size, Version: o.version}, nil
}

// remoteObject reads parts of an object.
type remoteObject struct {
	ctx          context.Context // of Open: an io.ReaderAt has none
	bucket       *bucket
	key, version string
	size         int64
	tail         []byte // nil: not read yet
}

func (o *remoteObject) ReadAt(p []byte, at int64) (n int, err error) {
	if at >= o.size {
		return 0, io.EOF
	}
	begin := max(0, o.size-tailSize)
	if at < begin {
		n = int(min(int64(len(p)), o.size-at))
		err = o.read(p[:n], at)
	} else {
		if o.tail == nil {
			tail := make([]byte, o.size-begin)
			if err := o.read(tail, begin); err != nil {
				return 0, err
			}
			o.tail = tail
		}
		n = copy(p, o.tail[at-begin:])
	}
	if err == nil && n < len(p) {
		err = io.EOF
	}
	return n, err
}

// read fills p from a place on that the object has.
func (o *remoteObject) read(p []byte, at int64) error {
	out, err := o.bucket.client.GetObject(o.ctx, &s3.GetObjectInput{
		Bucket: &o.bucket.name, Key: aws.String(o.bucket.prefix + o.key), IfMatch: &o.version,
		Range: aws.String(fmt.Sprintf("bytes=%d-%d", at, at+int64(len(p))-1)),
	})
	if err != nil {
		return o.bucket.failed("read", o.key, err)
	}
	defer out.Body.Close()
	if _, err := io.ReadFull(out.Body, p); err != nil {
		return o.bucket.failed("read", o.key, err)
	}
	return nil
}

func (b *bucket) Put(ctx context.Context, key string, body io.ReadSeeker, version string) error {
	in := &s3.PutObjectInput{Bucket: &b.name, Key: aws.String(b.prefix + key), Body: body}
	if version == "" {
		in.IfNoneMatch = aws.String("*")
	} else {
		in.IfMatch = &version
	}
	if _, err := b.client.PutObject(ctx, in); err != nil {
		return b.failed("write", key, err)
	}
	return nil
}

// failed says what could not be done, as the errors that callers branch on.
func (b *bucket) failed(what, key string, err error) error {
	var answer *smithyhttp.ResponseError
	var api smithy.APIError
	gone := errors.As(err, &api) && (api.ErrorCode() == "NoSuchKey" || api.ErrorCode() == "NotFound") // HEAD has no body that says which
	changed := errors.As(err, &answer) && (answer.HTTPStatusCode() == http.StatusPreconditionFailed || answer.HTTPStatusCode() == http.StatusConflict)
	switch {
	case changed, gone && what == "write":
		err = ErrChanged
	case gone:
		err = fs.ErrNotExist
	case errors.As(err, &api):
		err = fmt.Errorf("%s: %s", api.ErrorCode(), api.ErrorMessage())
	}
	return fmt.Errorf("%s %s in %s: %w", what, key, b, err)
}
