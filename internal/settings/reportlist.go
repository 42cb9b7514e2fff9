package settings

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
	"sync"

	"cmu-gateway/pkg/cmu"
)

// maxReports bounds the list of reports in a variable.
const maxReports = 100

// Reports are reports as they are asked for, without a window.
type Reports []string

// String returns them as they would be set.
func (r Reports) String() string { return strings.Join(r, " ") }

// reportList takes reports with spaces between them.
func reportList(into *Reports) value {
	allowed := fmt.Sprintf("up to %d paths such as tenant/year/month/day/mvpd, with filters and metrics, without a window", maxReports)
	return value{allowed, func(text string) error {
		list := strings.Fields(text)
		if len(list) > maxReports {
			return fmt.Errorf("%d reports are more than %d", len(list), maxReports)
		}
		for _, one := range list {
			path, query, _ := strings.Cut(one, "?")
			r, err := cmu.Parse(path, query)
			if err == nil && (!r.Start.IsZero() || !r.End.IsZero() || r.Limit > 0) {
				err = errors.New("leave out start, end and limit")
			}
			if err != nil {
				return fmt.Errorf("%q: %w", bounded(one), err)
			}
		}
		if len(list) > 0 {
			*into = list
		}
		return nil
	}}
}

// bucketForm is what S3 and the archive take. Source: Amazon S3 User Guide, "Bucket naming rules".
var bucketForm = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`^s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9](/[^?#\s]*)?$`)
})

func bucket(into *string) value {
	return checked(into, "s3://BUCKET or s3://BUCKET/PREFIX", func(text string) error {
		if !bucketForm().MatchString(text) {
			return fmt.Errorf("%q is not s3://BUCKET or s3://BUCKET/PREFIX", bounded(text))
		}
		return nil
	})
}
