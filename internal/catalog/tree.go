package catalog

import (
	"slices"
	"strings"
	"sync"

	"cmu-gateway/internal/nearest"
)

// Report is a place in Adobe's tree.
type Report struct {
	Path []string
	// Asked tells that its answer was seen: then Metrics and LeadsTo are what that held. Metrics are empty where it had no rows.
	Asked   bool
	Metrics []string
	LeadsTo []string
}

// Tree is what Adobe's links told of the reports. The zero value knows nothing. It is safe for concurrent use.
type Tree struct {
	mu      sync.RWMutex // guards what follows
	reports map[string]Report
}

// maxReports bounds the tree; that of a licence has some hundred places.
const maxReports = 4096

func key(path []string) string { return strings.Join(path, "/") }

// Knows reports whether the answer of a path was seen.
func (t *Tree) Knows(path []string) bool {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return t.reports[key(path)].Asked
}

// Learn notes what an answer told: the metrics of its rows, and the paths that its links lead to. Without metrics those known stay.
func (t *Tree) Learn(path, metrics []string, links [][]string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.reports == nil {
		t.reports = map[string]Report{}
	}
	t.add(path)
	for _, to := range links {
		t.add(to)
	}
	r, ok := t.reports[key(path)]
	if !ok {
		return
	}
	r.Asked, r.LeadsTo = true, nil
	for _, to := range links {
		if len(to) == len(path)+1 && slices.Equal(to[:len(path)], path) {
			r.LeadsTo = append(r.LeadsTo, to[len(path)])
		}
	}
	if len(metrics) > 0 {
		r.Metrics = slices.Clone(metrics)
	}
	t.reports[key(path)] = r
}

// add notes that there is a path.
func (t *Tree) add(path []string) {
	if _, known := t.reports[key(path)]; !known && len(t.reports) < maxReports {
		t.reports[key(path)] = Report{Path: slices.Clone(path)}
	}
}

// Reports returns what is known, sorted by path. It must not be changed.
func (t *Tree) Reports() []Report {
	t.mu.RLock()
	defer t.mu.RUnlock()
	all := make([]Report, 0, len(t.reports))
	for _, r := range t.reports {
		all = append(all, r)
	}
	slices.SortFunc(all, func(a, b Report) int { return slices.Compare(a.Path, b.Path) })
	return all
}

// maxNear is how many paths are named instead of one that is not there.
const maxNear = 3

// Nearest returns the known paths that a path, which is none, was most likely meant to be: those with the slips of the pen mended,
// those with the same dimensions in another order, else the nearest place above and where it leads.
func (t *Tree) Nearest(path []string) (near [][]string) {
	t.mu.RLock()
	defer t.mu.RUnlock()
	add := func(p []string) {
		_, known := t.reports[key(p)]
		if known && len(p) > 0 && len(near) < maxNear && !slices.ContainsFunc(near, func(q []string) bool { return slices.Equal(p, q) }) {
			near = append(near, slices.Clone(p))
		}
	}
	dimensions := map[string]bool{}
	for _, r := range t.reports {
		for _, d := range r.Path {
			dimensions[d] = true
		}
	}
	names := make([]string, 0, len(dimensions))
	for d := range dimensions {
		names = append(names, d)
	}
	slices.Sort(names)
	mended := slices.Clone(path)
	for i, d := range mended {
		if !dimensions[d] {
			if meant := nearest.Name(d, names); meant != "" {
				mended[i] = meant
			}
		}
	}
	add(mended)
	set := slices.Sorted(slices.Values(mended))
	var same [][]string
	for _, r := range t.reports {
		if len(r.Path) == len(path) && slices.Equal(slices.Sorted(slices.Values(r.Path)), set) {
			same = append(same, r.Path)
		}
	}
	slices.SortFunc(same, func(a, b []string) int { return slices.Compare(a, b) })
	for _, p := range same {
		add(p)
	}
	for n := len(mended) - 1; n > 0 && len(near) == 0; n-- {
		above := mended[:n]
		add(above)
		for _, to := range t.reports[key(above)].LeadsTo {
			add(append(slices.Clone(above), to))
		}
	}
	return near
}
