package settings

import (
	"cmp"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net/url"
	"reflect"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/caarlos0/env/v11"
)

// parsers replace those of the env package, whose messages do not say what is allowed.
var parsers = map[reflect.Type]env.ParserFunc{
	reflect.TypeFor[int]():           parse(strconv.Atoi, "a whole number"),
	reflect.TypeFor[time.Duration](): parse(time.ParseDuration, "a duration such as 15s, 45m or 12h"),
	reflect.TypeFor[bool]():          parse(strconv.ParseBool, "true or false"),
	reflect.TypeFor[Bytes]():         parse(parseBytes, "a number of bytes such as 67108864, 64MiB or 256MB"),
	reflect.TypeFor[time.Location](): parse(parseZone, "the name of an IANA time zone such as America/Los_Angeles or UTC"),
}

func parse[T any](parse func(string) (T, error), want string) env.ParserFunc {
	return func(text string) (any, error) {
		v, err := parse(text)
		if err != nil {
			return nil, fmt.Errorf("%q is not %s", bounded(text), want)
		}
		return v, nil
	}
}

// Bytes is an amount of memory.
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

func parseZone(text string) (time.Location, error) {
	if text == "Local" {
		return time.Location{}, errors.New("not an IANA name")
	}
	zone, err := time.LoadLocation(text)
	if err != nil {
		return time.Location{}, err
	}
	return *zone, nil
}

func between[T cmp.Ordered](variable string, v, low, high T) rule {
	allowed := fmt.Sprintf("between %v and %v", low, high)
	return rule{variable, func() error {
		if v < low || v > high {
			return fmt.Errorf("%v is not %s", v, allowed)
		}
		return nil
	}, allowed}
}

// name checks what AWS takes as a name or ARN only so far that a slip of the pen is caught: AWS says the rest.
func name(v string, longest int) func() error {
	return func() error {
		if len(v) > longest {
			return fmt.Errorf("longer than %d bytes", longest)
		}
		if strings.ContainsFunc(v, func(c rune) bool { return unicode.IsSpace(c) || unicode.IsControl(c) }) {
			return fmt.Errorf("%q holds a space or a control character; want a name or an ARN", bounded(v))
		}
		return nil
	}
}

// base checks the override in *v, or puts the default there when there is none. The text of an override is not repeated in
// errors: it may hold credentials.
func base(v *string, byDefault string) func() error {
	return func() error {
		if *v == "" {
			*v = byDefault
			return nil
		}
		u, err := url.Parse(*v)
		switch {
		case err != nil:
			return errors.New("not a URL; want http or https, a host and optionally a path")
		case u.Scheme != "http" && u.Scheme != "https":
			return fmt.Errorf("scheme %q; want http or https", bounded(u.Scheme))
		case u.Hostname() == "":
			return errors.New("a URL without a host")
		case u.User != nil:
			return errors.New("a URL with credentials; they do not belong there")
		case u.RawQuery != "" || u.ForceQuery || u.Fragment != "":
			return errors.New("a URL with a query or a fragment; want none")
		}
		*v = strings.TrimRight(*v, "/")
		return nil
	}
}

// checkRedirect wants what RFC 6749, 3.1.2, wants: an absolute URI without a fragment.
func checkRedirect(v string) error {
	if v == "" {
		return nil
	}
	if u, err := url.Parse(v); err != nil || !u.IsAbs() || u.Fragment != "" {
		return fmt.Errorf("%q is not an absolute URI without a fragment", bounded(v))
	}
	return nil
}

func checkDeviceInfo(v string) error {
	if v == "" {
		return nil
	}
	text, err := base64.RawStdEncoding.DecodeString(strings.TrimRight(v, "="))
	if err != nil {
		return errors.New("not base64; want the base64 of a JSON object")
	}
	var object map[string]any
	if json.Unmarshal(text, &object) != nil || object == nil {
		return errors.New("not the base64 of a JSON object")
	}
	return nil
}

func bounded(s string) string {
	if len(s) > 64 {
		return s[:64] + "…"
	}
	return s
}
