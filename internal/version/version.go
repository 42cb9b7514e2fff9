// Package version names the release that this process was built from.
package version

import "runtime/debug"

// release is the newest release in CHANGELOG.md.
const release = "v0.1.0"

// linked is the version that a release build is given: -ldflags "-X cmu-gateway/internal/version.linked=v0.1.0".
var linked string

// String returns, in this order: the version that was linked in; the tag or pseudo-version that Go found in the history of
// the sources, with "+dirty" if they were changed; their revision, with "+changes"; for sources without history, and for go run, the
// newest release that they know of, with "+source". It is never empty.
func String() string {
	info, _ := debug.ReadBuildInfo()
	return name(linked, info)
}

// name is String for a build of which info, if not nil, is known.
func name(linked string, info *debug.BuildInfo) string {
	if linked != "" {
		return linked
	}
	if info == nil {
		return release + "+source"
	}
	if v := info.Main.Version; v != "" && v != "(devel)" {
		return v
	}
	revision, changes := "", ""
	for _, s := range info.Settings {
		switch {
		case s.Key == "vcs.revision":
			revision = s.Value[:min(12, len(s.Value))]
		case s.Key == "vcs.modified" && s.Value == "true":
			changes = "+changes"
		}
	}
	if revision == "" {
		return release + "+source"
	}
	return revision + changes
}
