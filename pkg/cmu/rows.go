package cmu

import (
	"context"
	"errors"
	"fmt"
	"iter"
)

// Rows is a report to be read row by row. [Client.Rows] makes it. It is for one goroutine.
type Rows struct {
	all   iter.Seq2[Row, error]
	links Links
}

// Rows returns the rows of a report. Nothing is called until they are ranged over:
//
//	rows := client.Rows(ctx, token.Value, request)
//	for row, err := range rows.All() {
//		if err != nil {
//			return err
//		}
//		fmt.Printf("%s\n", row.Get("active-users"))
//	}
//	rows.Links() // tells them now
//
// Rows are read from JSON: a Format in the request is left aside.
func (c *Client) Rows(ctx context.Context, token Secret, r Request) *Rows {
	r.Format = ""
	rows := new(Rows)
	rows.all = func(yield func(Row, error) bool) {
		rows.links = Links{}
		resp, err := c.Report(ctx, token, r, "application/json")
		if err != nil {
			yield(nil, err)
			return
		}
		defer resp.Body.Close()
		links, err := ReadReport(resp.Body, func(row Row) error {
			if !yield(row, nil) {
				return errLeft
			}
			return nil
		})
		switch {
		case err == nil:
			rows.links = links
		case err == errLeft:
		case ctx.Err() != nil: // which closed the connection, and may show as that
			yield(nil, fmt.Errorf("adobe %s: %w", opReport, ctx.Err()))
		default:
			yield(nil, err)
		}
	}
	return rows
}

// errLeft is that the caller left the loop.
var errLeft = errors.New("loop left")

// All returns an iterator over the rows, in Adobe's order, in constant memory. Each loop over it is one call to Adobe, which ends
// with the loop: there is nothing to close, however the loop is left. A row is valid until the next one: bytes.Clone keeps it.
//
// An error comes last, alone, with a nil row: those of [Client.Report] before any row, those of [ReadReport] also after some.
// Without one, all that Adobe sent was read.
func (r *Rows) All() iter.Seq2[Row, error] { return r.all }

// Links returns what the report's links are, once a loop over All has come to its end without an error; before that, and
// after a loop that was left early, they are empty.
func (r *Rows) Links() Links { return r.links }
