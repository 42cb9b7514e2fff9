package settings

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"cmu-gateway/internal/plan"
	"cmu-gateway/pkg/cmu"
)

// maxReports bounds the list of reports in a variable.
const maxReports = 100

// Reports are reports as they are asked for.
type Reports []string

// String returns them as they would be set.
func (r Reports) String() string { return strings.Join(r, " ") }

// reportList takes reports without a window.
func reportList(into *Reports) value {
	allowed := fmt.Sprintf("up to %d paths such as tenant/year/month/day/mvpd, with filters and metrics, without a window", maxReports)
	return eachReport(into, allowed, func(one string) (string, error) {
		path, query, _ := strings.Cut(one, "?")
		r, err := cmu.Parse(path, query)
		if err == nil && (!r.Start.IsZero() || !r.End.IsZero() || r.Limit > 0) {
			err = errors.New("leave out start, end and limit")
		}
		return one, err
	})
}

// eachReport takes reports with spaces between them, each as read returns it.
func eachReport(into *Reports, allowed string, read func(string) (string, error)) value {
	return value{allowed, func(text string) error {
		var list Reports
		for one := range strings.FieldsSeq(text) {
			if len(list) == maxReports {
				return fmt.Errorf("more than %d reports", maxReports)
			}
			r, err := read(one)
			if err != nil {
				return fmt.Errorf("%q: %w; want %s", bounded(one), err, allowed)
			}
			list = append(list, r)
		}
		*into = list
		return nil
	}}
}

// windowed takes reports with a window that moves on with time.
func windowed(into *Reports) value {
	allowed := fmt.Sprintf("up to %d reports with a window relative to now, such as tenant/year/month/day/mvpd?last=35d", maxReports)
	return eachReport(into, allowed, readWindowed)
}

// last begins what stands for a window from so long ago until now.
const last = "last="

// readWindowed returns a report with a start in the place of last.
func readWindowed(one string) (string, error) {
	path, query, _ := strings.Cut(one, "?")
	pairs, starts := strings.Split(query, "&"), 0
	for i, pair := range pairs {
		if ago, ok := strings.CutPrefix(pair, last); ok {
			pairs[i] = "start=-" + ago
		}
		if strings.HasPrefix(pairs[i], "start=") {
			starts++
		}
	}
	if starts > 1 {
		return "", errors.New("its window has more than one start")
	}
	query = strings.Join(pairs, "&")
	// What is relative is another a year from now, and no month has the same days as one two months later.
	first, err := parseAt(path, query, time.Date(2025, 3, 15, 12, 30, 0, 0, time.UTC))
	if err != nil {
		return "", err
	}
	then, err := parseAt(path, query, time.Date(2026, 5, 16, 13, 31, 0, 0, time.UTC))
	switch {
	case err != nil:
		return "", err
	case len(first.Path) == 0:
		return "", errors.New("it has no path")
	case first.Limit > 0:
		return "", errors.New("leave out limit")
	case first.Start.IsZero():
		return "", errors.New("it has no window")
	case first.Start == then.Start, !first.End.IsZero() && first.End == then.End:
		return "", errors.New("its window does not move on with time")
	}
	return path + "?" + query, nil
}

func parseAt(path, query string, now time.Time) (cmu.Request, error) {
	return plan.Policy{}.ParseRequest(path, query, now, func(r cmu.Request) []string { return r.Path })
}

// Archived are the reports to archive: those that are named for it, else those that are kept warm.
func (s Settings) Archived() Reports {
	if len(s.ArchiveReports) > 0 {
		return s.ArchiveReports
	}
	var list Reports
	for _, one := range s.Warm {
		path, query, _ := strings.Cut(one, "?")
		rest := slices.DeleteFunc(strings.Split(query, "&"), func(pair string) bool {
			return strings.HasPrefix(pair, "start=") || strings.HasPrefix(pair, "end=")
		})
		if len(rest) > 0 {
			path += "?" + strings.Join(rest, "&")
		}
		if !slices.Contains(list, path) {
			list = append(list, path)
		}
	}
	return list
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
