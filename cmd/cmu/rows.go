package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"cmu-gateway/internal/gateway"
	"cmu-gateway/internal/plan"
	"cmu-gateway/internal/reports"
	"cmu-gateway/internal/rows"
	"cmu-gateway/pkg/cmu"
)

// rowsHead is what stands before the rows in the answer to an order for them.
type rowsHead struct {
	Outcome      outcome     `json:"outcome"`
	Request      cmu.Request `json:"request"`
	Rows         int         `json:"rows"`
	Incomplete   bool        `json:"incomplete"`
	Fetched      time.Time   `json:"fetched"`
	SettledUntil cmu.Bound   `json:"settled_until"`
	Licence      string      `json:"licence"`
	Simulated    bool        `json:"simulated"`
	RollUp       []cmu.Link  `json:"roll_up"`
	DrillDown    []cmu.Link  `json:"drill_down"`
	// BeforeHorizon is that of the answer.
	BeforeHorizon []plan.Span `json:"before_horizon"`
	// Unavailable and RetryAfter are those of the *reports.UnavailableError that there is instead of rows; empty: there are rows.
	Unavailable string        `json:"unavailable,omitempty"`
	RetryAfter  time.Duration `json:"retry_after,omitempty"`
}

// headed is rows with what is sent before them.
func (l *local) headed(ctx context.Context, o reportOrder, tell func(progress)) (*reports.Answer, rowsHead, error) {
	a, out, err := l.rows(ctx, o, tell)
	var later *reports.UnavailableError
	switch {
	case errors.As(err, &later):
		return nil, rowsHead{Unavailable: later.Error(), RetryAfter: later.RetryAfter}, nil
	case err != nil:
		return nil, rowsHead{}, err
	}
	return a, rowsHead{
		Outcome: out, Request: a.Request, Rows: a.Rows, Incomplete: a.Incomplete, Fetched: a.Fetched, SettledUntil: a.SettledUntil,
		Licence: a.Licence, Simulated: a.Simulated, RollUp: a.RollUp, DrillDown: a.DrillDown, BeforeHorizon: a.BeforeHorizon,
	}, nil
}

// writeRows writes the rows that follow a head.
func writeRows(ctx context.Context, w io.Writer, a *reports.Answer) error {
	return gateway.Encode(ctx, w, a, reports.FromMemory, a.Request, "json", gateway.Form{})
}

func (r *remote) rows(ctx context.Context, o reportOrder, tell func(progress)) (*reports.Answer, outcome, error) {
	head, rest, err := stream[rowsHead](ctx, r, "/rows", o, func(s said) {
		if s.Progress != nil {
			tell(*s.Progress)
		}
	})
	if err != nil {
		return nil, outcome{}, err
	}
	defer rest.Close()
	if head.Unavailable != "" {
		return nil, outcome{}, &reports.UnavailableError{RetryAfter: head.RetryAfter, Reason: head.Unavailable}
	}
	w := rows.NewWriter()
	_, err = cmu.ReadReport(rest, func(row cmu.Row) error {
		w.Add(row)
		return nil
	})
	f := w.Fragment()
	if err == nil && f.Rows != head.Rows {
		err = fmt.Errorf("%d rows of %d came", f.Rows, head.Rows)
	}
	if err != nil {
		return nil, outcome{}, brokenOff(ctx, err)
	}
	a := &reports.Answer{
		Request: head.Request, Fragments: []rows.Fragment{f}, Rows: f.Rows, Incomplete: head.Incomplete, Fetched: head.Fetched,
		SettledUntil: head.SettledUntil, Licence: head.Licence, Simulated: head.Simulated, RollUp: head.RollUp, DrillDown: head.DrillDown,
		BeforeHorizon: head.BeforeHorizon,
	}
	return a, head.Outcome, nil
}
