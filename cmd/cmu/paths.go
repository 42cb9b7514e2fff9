package main

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"slices"
	"strings"

	"cmu-gateway/internal/catalog"
	"cmu-gateway/internal/gateway"
	"cmu-gateway/pkg/cmu"
)

var pathsCommand = command{
	name:     "paths",
	synopsis: "[PATH] [--depth N] | --metrics",
	short:    "list the reports that there are",
	text: `Lists the reports below PATH, or below the root, by following the links of Adobe's answers: each place that is asked is one row of one
report, and is kept like any other. With --metrics it lists the metrics and what they mean, and asks nobody.

JSON holds the metrics of each place that was asked, and where it leads.`,
	examples: `  cmu paths
  cmu paths tenant/year/month/day --depth 2
  cmu paths --metrics
`,
	args: 1,
	define: func(fs *flag.FlagSet) func(context.Context, *terminal, *call) error {
		var w listing
		w.desk.define(fs)
		fs.IntVar(&w.depth, "depth", 1, "how many dimensions below PATH, at most 9; each place above the last is a call, if it is not kept")
		fs.BoolVar(&w.metrics, "metrics", false, "list the metrics and what they mean")
		return w.run
	},
}

type listing struct {
	desk    deskFlags
	depth   int
	metrics bool
}

// maxPlaces bounds the places that are asked.
const maxPlaces = 500

func (w *listing) run(ctx context.Context, t *terminal, in *call) error {
	if w.metrics {
		if len(in.args) > 0 || in.given["depth"] {
			return usagef("paths: --metrics takes neither a PATH nor --depth")
		}
		if t.json {
			return t.document(map[string]any{"metrics": catalog.Metrics})
		}
		for _, m := range catalog.Metrics {
			t.printf("%-20s %s\n", m.Name, m.Meaning)
		}
		return nil
	}
	if w.depth < 1 || w.depth > 9 {
		return usagef("paths: --depth: want 1 to 9, not %d", w.depth)
	}
	var q queryFlags
	from, err := q.request(slices.Concat(in.args, []string{""})[0])
	if err != nil {
		return err
	}
	d, err := openDesk(ctx, t, w.desk, opening{meant: meant{host: from.host}, asksAdobe: true, least: silent})
	if err != nil {
		return err
	}
	defer d.close(ctx)
	var tree catalog.Tree
	next, asked := [][]string{from.Path}, 0
	for range w.depth {
		var below [][]string
		for _, path := range next {
			if asked++; asked > maxPlaces {
				return fmt.Errorf("there are more than %d places to ask: name a PATH further down, or a smaller --depth", maxPlaces)
			}
			metrics, links, err := placeOf(ctx, d, path)
			if err != nil && (asked == 1 || ctx.Err() != nil) {
				return err
			}
			if err != nil {
				t.warnf("%s cannot be asked: %v", strings.Join(path, "/"), err)
				continue
			}
			tree.Learn(path, metrics, links)
			below = append(below, links...)
		}
		next = below
	}
	type place struct {
		Path    string   `json:"path"`
		Asked   bool     `json:"asked"`
		Metrics []string `json:"metrics"`
		LeadsTo []string `json:"leads_to"`
	}
	list := []place{}
	for _, r := range tree.Reports() {
		if len(r.Path) > len(from.Path) || t.json {
			list = append(list, place{strings.Join(r.Path, "/"), r.Asked, append([]string{}, r.Metrics...), append([]string{}, r.LeadsTo...)})
		}
	}
	if t.json {
		return t.document(map[string]any{"paths": list})
	}
	for _, p := range list {
		t.printf("%s\n", p.Path)
	}
	return nil
}

// placeOf asks a report for its first row, and returns what that and the links tell.
func placeOf(ctx context.Context, d desk, path []string) (metrics []string, links [][]string, err error) {
	var body bytes.Buffer
	request := cmu.Request{Path: path, Limit: 1, Format: "json"}
	if _, err := d.report(ctx, reportOrder{Request: request}, func(progress) {}, &body); err != nil {
		return nil, nil, err
	}
	told, err := cmu.ReadReport(&body, func(row cmu.Row) error {
		row.Each(func(name, _ []byte) bool {
			if n := string(name); !slices.Contains(path, n) && n != "tenant" {
				metrics = append(metrics, n)
			}
			return true
		})
		return nil
	})
	if err != nil {
		return nil, nil, err
	}
	return metrics, gateway.Below(told.DrillDown, path), nil
}
