package catalog

import "sync"

// Trees are those of the licences in use, as each has reports of its own. The zero value knows none. It is safe for concurrent use.
type Trees struct {
	mu   sync.Mutex
	made map[string]*Tree // guarded by mu
}

// maxTrees bounds the licences whose reports are known at once; a deployment has mostly one.
const maxTrees = 8

// Of returns the tree of a licence, as tokens bear it; where it is not known whose, that of no name. Past the bound all are forgotten,
// and learnt again from answers.
func (t *Trees) Of(licence string) *Tree {
	t.mu.Lock()
	defer t.mu.Unlock()
	tree, ok := t.made[licence]
	if !ok {
		if t.made == nil || len(t.made) >= maxTrees {
			t.made = map[string]*Tree{}
		}
		tree = new(Tree)
		t.made[licence] = tree
	}
	return tree
}
