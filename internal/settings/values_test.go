package settings

import (
	"encoding/base64"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"cmu-gateway/pkg/cmu"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// field returns what s holds for v, as FromEnv should read it.
func field(s Settings, v Variable) string {
	f := reflect.ValueOf(s).FieldByNameFunc(func(name string) bool { return strings.ToUpper(name) == fieldName(v) })
	if f.Kind() == reflect.Pointer && f.IsNil() {
		return ""
	}
	if secret, ok := f.Interface().(cmu.Secret); ok {
		return secret.Reveal() // which is not printed
	}
	return fmt.Sprint(f.Interface())
}

// plausible are texts close to what variables hold.
var plausible = rapid.OneOf(
	rapid.StringMatching(`[+-]?[0-9_]{1,20}(\.[0-9]+)?( ?[kKMG]i?B|ns|us|µs|ms|s|m|h|h[0-9]{1,3}m)?`),
	rapid.StringMatching(`[a-z]{0,5}:?/?/?([a-z]{0,3}:?[a-z]?@)?[a-z0-9.:\[\]]{0,9}/{0,2}[a-z%2]{0,3}[/?# ]{0,3}`),
	rapid.SampledFrom([]string{"production", "prequal-staging", "UTC", "Local", "Europe/Berlin", "Etc/GMT+12", "EST5EDT", "true", "T", "0", "f", "FALSE"}),
	rapid.Map(rapid.StringMatching(`\{("[a-z]{0,3}":[0-9]{1,3})?\}|\[\]|null`), func(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) }),
	rapid.StringMatching(`[a-zA-Z0-9:/_-]{0,30}[=\r\n]{0,3}`),
	rapid.String(),
)

// What is accepted can be printed, and reads back as the same; what is not is told in one short line that names the variable.
func TestAcceptedPrintsBack(t *testing.T) {
	for _, v := range Variables() {
		t.Run(v.Name, rapid.MakeCheck(func(t *rapid.T) {
			text := plausible.Draw(t, "text")
			s, err := FromEnv([]string{v.Name + "=" + text})
			if err != nil {
				if !strings.HasPrefix(err.Error(), v.Name+": ") || strings.Contains(err.Error(), "\n") || len(err.Error()) > 500 {
					t.Fatalf("%q: %q", text, err)
				}
				return
			}
			printed := field(s, v)
			again, err := FromEnv([]string{v.Name + "=" + printed})
			if err != nil {
				t.Fatalf("%q is accepted, and not as it is printed: %v", text, err)
			}
			if diff := cmp.Diff(s, again, zones); diff != "" {
				t.Fatalf("%q prints as %q, which is another: %s", text, printed, diff)
			}
		}))
	}
}

func TestOrigins(t *testing.T) {
	for text, want := range map[string]string{
		"https://a.example": "https://a.example", " https://A.example/ , http://b:8080,,https://a.example:443": "https://a.example,http://b:8080", "*": "*",
		"http://[::1]:3000": "http://[::1]:3000", "http://x:80": "http://x", "https://x:80": "https://x:80",
	} {
		if s, err := FromEnv([]string{"CMU_ALLOWED_ORIGINS=" + text}); err != nil || s.AllowedOrigins.String() != want {
			t.Errorf("%q: %v, %v", text, s.AllowedOrigins, err)
		}
	}
	for _, text := range []string{"a.example", "https://a.example/x", "https://*.a.example", "ftp://a", "null", "https://", "https://u@a", "https://a?x", "https://a#", "https://a b"} {
		if _, err := FromEnv([]string{"CMU_ALLOWED_ORIGINS=" + text}); err == nil || !strings.Contains(err.Error(), "is no origin") {
			t.Errorf("%q: %v", text, err)
		}
	}
}

// A key is never repeated, neither as it is read nor in what is wrong with it.
func TestKeyIsNotShown(t *testing.T) {
	for _, text := range []string{"hush-hush", "hush hush hush hush hush", strings.Repeat("hush", 100), "hush\x00hush\x00hush\x00hush", "húshhúshhúshhúsh"} {
		if _, err := FromEnv([]string{"CMU_KEY=" + text}); err == nil || strings.Contains(err.Error(), "h\u00fash") || strings.Contains(err.Error(), "hush") {
			t.Errorf("%q: %v", text, err)
		}
	}
	s, err := FromEnv([]string{"CMU_KEY=hush-hush-hush-hush"})
	if err != nil || s.Key.Reveal() != "hush-hush-hush-hush" || strings.Contains(fmt.Sprintf("%v %+v %#v", s, s, s), "hush") {
		t.Errorf("%v %v", s, err)
	}
}

func TestBytesRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.Int64Range(1, 1<<20).Draw(t, "n")
		unit := rapid.SampledFrom(units).Draw(t, "unit")
		b, err := parseBytes(fmt.Sprint(n, unit.suffix))
		if err != nil || int64(b) != n*unit.size {
			t.Fatalf("parseBytes(%d%s) = %d, %v", n, unit.suffix, b, err)
		}
		if again, err := parseBytes(b.String()); err != nil || again != b {
			t.Fatalf("parseBytes(%q) = %d, %v; want %d", b.String(), again, err, b)
		}
	})
}
