package settings

import (
	"cmp"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
	_ "time/tzdata" // CMU_REPORT_ZONE must be known where the system has no zone files
	"unicode"

	"cmu-gateway/pkg/cmu"
)

// value is what a variable may hold.
type value struct {
	Allowed string                  // for people
	read    func(text string) error // keeps what text says, or tells what is wrong with it; text is not empty
}

// parsed is a value that a function parses, and words for what that function takes.
func parsed[T any](into *T, parse func(string) (T, error), want string) value {
	return value{want, func(text string) error {
		v, err := parse(text)
		if err != nil {
			return fmt.Errorf("%q is not %s", bounded(text), want)
		}
		*into = v
		return nil
	}}
}

// between is a parsed value with bounds.
func between[T cmp.Ordered](into *T, low, high T, parse func(string) (T, error), want string) value {
	allowed := fmt.Sprintf("between %v and %v", low, high)
	return value{allowed, func(text string) error {
		v, err := parse(text)
		if err != nil {
			return fmt.Errorf("%q is not %s, %s", bounded(text), want, allowed)
		}
		if v < low || v > high {
			return fmt.Errorf("%v is not %s", v, allowed)
		}
		*into = v
		return nil
	}}
}

func whole(into *int, low, high int) value {
	return between(into, low, high, strconv.Atoi, "a whole number")
}

func duration(into *time.Duration, low, high time.Duration) value {
	return between(into, low, high, time.ParseDuration, "a duration such as 15s, 45m or 12h")
}

func bytes(into *Bytes, low, high Bytes) value {
	return between(into, low, high, parseBytes, "a number of bytes such as 67108864, 64MiB or 256MB")
}

func truth(into *bool) value { return parsed(into, strconv.ParseBool, "true or false") }

func zone(into **time.Location) value {
	return parsed(into, parseZone, "the name of an IANA time zone such as America/Los_Angeles or UTC")
}

// checked is a text that check finds nothing wrong with.
func checked(into *string, allowed string, check func(text string) error) value {
	return value{allowed, func(text string) error {
		if err := check(text); err != nil {
			return err
		}
		*into = text
		return nil
	}}
}

func oneOf(into *string, names []string) value {
	all := strings.Join(names, ", ")
	return checked(into, all, func(text string) error {
		if !slices.Contains(names, text) {
			return fmt.Errorf("%q is none of %s", bounded(text), all)
		}
		return nil
	})
}

// name takes what AWS takes as a name or ARN only so far that a slip of the pen is caught: AWS says the rest.
func name(into *string, longest int) value {
	return checked(into, fmt.Sprintf("a name or an ARN of at most %d bytes", longest), func(text string) error {
		if len(text) > longest {
			return fmt.Errorf("longer than %d bytes", longest)
		}
		if strings.ContainsFunc(text, func(c rune) bool { return unicode.IsSpace(c) || unicode.IsControl(c) }) {
			return fmt.Errorf("%q holds a space or a control character; want a name or an ARN", bounded(text))
		}
		return nil
	})
}

// base is the address of an API, kept without slashes at its end. Errors do not repeat it: it may hold credentials.
func base(into *string) value {
	return value{"an http or https URL without credentials, query or fragment", func(text string) error {
		u, err := url.Parse(text)
		switch {
		case err != nil:
			return errors.New("not a URL; want http or https, a host and optionally a path")
		case u.Scheme != "http" && u.Scheme != "https":
			return fmt.Errorf("scheme %q; want http or https", bounded(u.Scheme))
		case u.Hostname() == "":
			return errors.New("a URL without a host")
		case u.User != nil:
			return errors.New("a URL with credentials; they do not belong there")
		case strings.ContainsAny(text, "?#"):
			return errors.New("a URL with a query or a fragment; want none")
		}
		*into = strings.TrimRight(text, "/")
		return nil
	}}
}

// origins are what browsers send as Origin (RFC 6454, 6.2): scheme, host, and a port unless it is the scheme's.
func origins(into *Origins) value {
	const want = "origins such as https://dashboards.example, with commas between them, or *"
	return value{want, func(text string) error {
		var list Origins
		for o := range strings.SplitSeq(text, ",") {
			o = strings.ToLower(strings.TrimSuffix(strings.TrimSpace(o), "/"))
			u, err := url.Parse(o)
			switch {
			case o == "":
				continue
			case o == "*":
			case err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" || o != u.Scheme+"://"+u.Host ||
				strings.Contains(u.Host, "*") || strings.HasSuffix(u.Host, ":"):
				return fmt.Errorf("%q is no origin; want %s", bounded(o), want)
			case u.Scheme == "https" && u.Port() == "443" || u.Scheme == "http" && u.Port() == "80":
				o = u.Scheme + "://" + strings.TrimSuffix(u.Host, ":"+u.Port())
			}
			if !slices.Contains(list, o) {
				list = append(list, o)
			}
		}
		*into = list
		return nil
	}}
}

// Origins are origins of web pages, or "*" for all there are.
type Origins []string

// String returns what FromEnv reads.
func (o Origins) String() string { return strings.Join(o, ",") }

// key is a secret that goes into a header as it is. Errors do not repeat it.
func key(into *cmu.Secret) value {
	return value{keyWant, func(text string) (err error) {
		*into, err = ParseKey(text)
		return err
	}}
}

const (
	keyWant        = "16 to 256 visible ASCII characters"
	minKey, maxKey = 16, 256
)

// ParseKey reads a key that callers must send.
func ParseKey(text string) (cmu.Secret, error) {
	if len(text) < minKey || len(text) > maxKey || strings.ContainsFunc(text, func(c rune) bool { return c <= ' ' || c > '~' }) {
		return "", errors.New("want " + keyWant + " as the key; it is not repeated here")
	}
	return cmu.Secret(text), nil
}

// uri is what RFC 6749, 3.1.2, wants of a redirection.
func uri(into *string) value {
	return checked(into, "an absolute URI without a fragment", func(text string) error {
		if u, err := url.Parse(text); err != nil || !u.IsAbs() || strings.Contains(text, "#") {
			return fmt.Errorf("%q is not an absolute URI without a fragment", bounded(text))
		}
		return nil
	})
}

// object is base64 of a JSON object, fit for a header.
func object(into *string) value {
	return checked(into, "the base64 of a JSON object", func(text string) error {
		if strings.ContainsAny(text, "\r\n") { // which the decoder skips
			return errors.New("holds a line break; want the base64 of a JSON object in one line")
		}
		decoded, err := base64.RawStdEncoding.DecodeString(strings.TrimRight(text, "="))
		if err != nil {
			return errors.New("not base64; want the base64 of a JSON object")
		}
		var object map[string]any
		if json.Unmarshal(decoded, &object) != nil || object == nil {
			return errors.New("not the base64 of a JSON object")
		}
		return nil
	})
}

func parseZone(text string) (*time.Location, error) {
	if text == "Local" {
		return nil, errors.New("not an IANA name")
	}
	return time.LoadLocation(text)
}

// Bytes is an amount of memory or disk.
type Bytes int64

// String returns b in whole MiB, KiB or bytes, as FromEnv reads it.
func (b Bytes) String() string {
	switch {
	case b != 0 && b%(1<<20) == 0:
		return fmt.Sprintf("%dMiB", int64(b>>20))
	case b != 0 && b%(1<<10) == 0:
		return fmt.Sprintf("%dKiB", int64(b>>10))
	}
	return strconv.FormatInt(int64(b), 10)
}

var units = []struct {
	suffix string
	size   int64
}{{"KiB", 1 << 10}, {"MiB", 1 << 20}, {"GiB", 1 << 30}, {"kB", 1e3}, {"MB", 1e6}, {"GB", 1e9}, {"", 1}}

func parseBytes(text string) (Bytes, error) {
	for _, u := range units {
		number, ok := strings.CutSuffix(text, u.suffix)
		if !ok {
			continue
		}
		n, err := strconv.ParseInt(strings.TrimRight(number, " "), 10, 64)
		if err != nil {
			return 0, err
		}
		if n > math.MaxInt64/u.size || n < 0 {
			return 0, strconv.ErrRange
		}
		return Bytes(n * u.size), nil
	}
	panic("unreachable: every text ends in the empty suffix")
}

// bounded keeps errors short, whatever is in the environment.
func bounded(s string) string {
	if len(s) > 64 {
		return s[:64] + "…"
	}
	return s
}
