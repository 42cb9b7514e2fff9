package archive

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"time"

	"cmu-gateway/internal/plan"
	"cmu-gateway/pkg/cmu"

	"github.com/parquet-go/parquet-go"
)

// Label is what a file says of itself in its footer.
type Label struct {
	// Request is what the rows are the answer to, in canonical form.
	Request string
	Columns []Column
	Rows    int
	// Digest tells rows apart whatever the order of their fields: SHA-256 in hexadecimal.
	Digest   string
	Complete bool // no rows are missing
	Fetched  time.Time
	// SettledUntil is up to where rows are final.
	SettledUntil cmu.Bound
	// Licence is that of reports.Answer: the software id of the statement; empty: not known.
	Licence   string
	Simulated bool // the rows are made up
	// Report is the report that was asked for, without its window: Request also has what Adobe filled in. Links are Adobe's. Formed tells that
	// the rows can be read back as they were. Files of releases that did not know these have none.
	Report string
	Links  cmu.Links
	Formed bool
}

// settles reports whether all of a month was final when it was fetched.
func (l Label) settles(month plan.Span) bool {
	until, ok := l.SettledUntil.Civil()
	return ok && month.To <= until
}

// The names of the footer's values.
const (
	metaRequest   = "cmu.request"
	metaColumns   = "cmu.columns"
	metaDigest    = "cmu.rows_sha256"
	metaComplete  = "cmu.complete"
	metaFetched   = "cmu.fetched"
	metaSettled   = "cmu.settled_until"
	metaLicence   = "cmu.licence"
	metaSimulated = "cmu.simulated"
	metaReport    = "cmu.report"
	metaLinks     = "cmu.links"
	metaForms     = "cmu.forms"
)

// footer returns the label as the values of a footer.
func (l Label) footer() (map[string]string, error) {
	columns, err := json.Marshal(l.Columns)
	if err != nil {
		return nil, fmt.Errorf("archive: %w", err)
	}
	links, err := json.Marshal(l.Links)
	if err != nil {
		return nil, fmt.Errorf("archive: %w", err)
	}
	return map[string]string{
		metaReport: l.Report, metaLinks: string(links),
		metaRequest: l.Request, metaColumns: string(columns), metaDigest: l.Digest, metaComplete: strconv.FormatBool(l.Complete),
		metaFetched: l.Fetched.UTC().Format(time.RFC3339Nano), metaSettled: l.SettledUntil.String(), metaLicence: l.Licence,
		metaSimulated: strconv.FormatBool(l.Simulated),
	}, nil
}

// ErrNotArchive is what the error for a file wraps that this package has not written.
var ErrNotArchive = errors.New("not a file of the archive")

// ReadLabel reads the label of a file. An error that wraps ErrNotArchive means that it has none.
func ReadLabel(file io.ReaderAt, size int64) (Label, error) {
	f, err := parquet.OpenFile(file, size, parquet.SkipMagicBytes(true), parquet.SkipPageIndex(true), parquet.SkipBloomFilters(true))
	if err != nil {
		return Label{}, fmt.Errorf("%w: %w", ErrNotArchive, err)
	}
	return readLabel(f)
}

func readLabel(f *parquet.File) (l Label, err error) {
	get := func(name string) string {
		value, ok := f.Lookup(name)
		if !ok {
			err = errors.Join(err, fmt.Errorf("the footer has no %s", name))
		}
		return value
	}
	l = Label{Request: get(metaRequest), Digest: get(metaDigest), Licence: get(metaLicence), Rows: int(f.NumRows())}
	for _, value := range []struct {
		name string
		read func(text string) error
	}{
		{metaColumns, func(text string) error { return json.Unmarshal([]byte(text), &l.Columns) }},
		{metaComplete, func(text string) (err error) { l.Complete, err = strconv.ParseBool(text); return err }},
		{metaSimulated, func(text string) (err error) { l.Simulated, err = strconv.ParseBool(text); return err }},
		{metaFetched, func(text string) (err error) { l.Fetched, err = time.Parse(time.RFC3339Nano, text); return err }},
		{metaSettled, func(text string) error { return l.SettledUntil.UnmarshalText([]byte(text)) }},
	} {
		if wrong := value.read(get(value.name)); wrong != nil {
			err = errors.Join(err, fmt.Errorf("%s: %w", value.name, wrong))
		}
	}
	if err != nil {
		return Label{}, fmt.Errorf("%w: %w", ErrNotArchive, err)
	}
	l.Report, _ = f.Lookup(metaReport)
	if text, ok := f.Lookup(metaLinks); ok {
		if err := json.Unmarshal([]byte(text), &l.Links); err != nil {
			return Label{}, fmt.Errorf("%w: %s: %w", ErrNotArchive, metaLinks, err)
		}
	}
	forms, _ := f.Lookup(metaForms)
	l.Formed = forms != ""
	return l, nil
}
