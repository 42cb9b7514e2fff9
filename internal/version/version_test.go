package version

import (
	"os"
	"regexp"
	"runtime/debug"
	"testing"
)

func TestName(t *testing.T) {
	revision := debug.BuildSetting{Key: "vcs.revision", Value: "0123456789abcdef0123456789abcdef01234567"}
	changed := debug.BuildSetting{Key: "vcs.modified", Value: "true"}
	clean := debug.BuildSetting{Key: "vcs.modified", Value: "false"}
	build := func(version string, settings ...debug.BuildSetting) *debug.BuildInfo {
		return &debug.BuildInfo{Main: debug.Module{Version: version}, Settings: settings}
	}
	for title, c := range map[string]struct {
		linked string
		info   *debug.BuildInfo
		want   string
	}{
		"linked in":                 {"v9.8.7", build("v1.2.3", revision), "v9.8.7"},
		"a tag":                     {"", build("v1.2.3", revision, clean), "v1.2.3"},
		"a revision":                {"", build("(devel)", revision, clean), "0123456789ab"},
		"a changed revision":        {"", build("(devel)", revision, changed), "0123456789ab+changes"},
		"a short revision":          {"", build("", debug.BuildSetting{Key: "vcs.revision", Value: "42"}), "42"},
		"no history":                {"", build("(devel)"), release + "+source"},
		"no history, no version":    {"", build(""), release + "+source"},
		"nothing is known at all":   {"", nil, release + "+source"},
		"linked in, nothing beside": {"v9.8.7", nil, "v9.8.7"},
	} {
		if got := name(c.linked, c.info); got != c.want {
			t.Errorf("%s: %s, want %s", title, got, c.want)
		}
	}
}

// The number in the source is that of the newest release in the change log.
func TestRelease(t *testing.T) {
	log, err := os.ReadFile("../../CHANGELOG.md")
	if err != nil {
		t.Fatal(err)
	}
	newest := regexp.MustCompile(`(?m)^## \[(\d.*?)\]`).FindSubmatch(log)
	if newest == nil || "v"+string(newest[1]) != release {
		t.Errorf("the newest release in CHANGELOG.md is %q, in the source %s", newest, release)
	}
}
