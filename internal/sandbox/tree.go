package sandbox

import (
	_ "embed"
	"slices"
	"strings"
	"sync"

	"cmu-gateway/pkg/cmu"
)

// documented are Adobe's documented reports: path, and the name of its metric set.
//
//go:embed data/reports.csv
var documented string

// live are paths that a public client met: path, and the name of the metric set, empty where the node only leads on.
//
//go:embed data/live-paths.tsv
var live string

// tenantTrees are the trees below tenant/year/month/day that Adobe documents beside the reports.
var tenantTrees = []string{
	"mvpd/platform/application-id/application", "mvpd/hour",
	"channel/platform/application-id/application", "application-id/application",
	"hour/application-id/application", "hour/channel/platform/application-id/application",
	"hour/mvpd/platform/application-id/application",
	"hour/minute/application-id/application", "hour/minute/channel/platform/application-id/application",
	"hour/minute/mvpd/platform/application-id/application",
}

// metricSets are the metrics of reports, in the order of their columns.
var metricSets = map[string][]string{
	"base":  slices.Concat([]string{"active-users"}, sessionMetrics),
	"full":  slices.Concat([]string{"active-users"}, sessionMetrics, durationMetrics),
	"year":  slices.Concat(sessionMetrics, streamMetrics),
	"users": {"users"},
}

// tree is the drill-down tree: which paths are reports, and where they lead.
type tree struct{ nodes map[string]*node }

// node is one place in the tree.
type node struct {
	path     []string
	parent   *node
	children []*node
	set      string          // name of the metric set; empty where the node only leads on
	listed   bool            // its metric set is data, not derived
	within   map[string]bool // dimensions of the path and of all paths below
}

func (n *node) name() string {
	if len(n.path) == 0 {
		return "root"
	}
	return n.path[len(n.path)-1]
}

func (n *node) href() string { return "/" + strings.Join(n.path, "/") }

// reportTree returns the one tree that all sandboxes share. It is never written to.
var reportTree = sync.OnceValue(func() *tree {
	t := &tree{nodes: map[string]*node{"": {within: map[string]bool{}}}}
	for line := range strings.Lines(documented) {
		path, set, _ := strings.Cut(strings.TrimSpace(line), ",")
		t.list(path, set)
	}
	for _, below := range tenantTrees {
		path := strings.Split("tenant/year/month/day/"+below, "/")
		for i := 5; i <= len(path); i++ {
			t.list(strings.Join(path[:i], "/"), "full")
		}
	}
	for line := range strings.Lines(live) {
		path, set, _ := strings.Cut(strings.TrimRight(line, "\r\n"), "\t")
		t.list(path, set)
	}
	t.derive(t.nodes[""])
	return t
})

func (t *tree) find(path []string) *node { return t.nodes[strings.Join(path, "/")] }

func (t *tree) list(path, set string) {
	n := t.insert(path)
	if !n.listed {
		n.set, n.listed = set, true
	}
}

func (t *tree) insert(path string) *node {
	if n, ok := t.nodes[path]; ok {
		return n
	}
	above, name := "", path
	if slash := strings.LastIndexByte(path, '/'); slash >= 0 {
		above, name = path[:slash], path[slash+1:]
	}
	parent := t.insert(above)
	n := &node{path: append(slices.Clone(parent.path), name), parent: parent, within: map[string]bool{}}
	for _, d := range n.path {
		for up := n; up != nil; up = up.parent {
			up.within[d] = true
		}
	}
	parent.children = append(parent.children, n)
	t.nodes[path] = n
	return n
}

// derive gives nodes that are not listed the widest metric set of what lies below, level reports aside.
func (t *tree) derive(n *node) {
	rank := []string{"", "users", "base", "full"}
	best := 0
	for _, c := range n.children {
		t.derive(c)
		best = max(best, slices.Index(rank, c.set))
	}
	if !n.listed {
		n.set = rank[best]
	}
	slices.SortFunc(n.children, func(a, b *node) int { return strings.Compare(a.name(), b.name()) })
}

// grain returns the finest time dimension of the path.
func (n *node) grain() cmu.Grain {
	g, _ := cmu.Request{Path: n.path}.Grain()
	return g
}
