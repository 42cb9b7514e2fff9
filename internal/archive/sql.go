package archive

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"

	"cmu-gateway/pkg/cmu"
)

// The files beside a report's months. Engines leave out what begins with an underscore.
const (
	athenaFile = "_athena.sql"
	duckFile   = "_duckdb.sql"
)

// describe writes what engines need to read a report, if it is not there as it should be.
func (r *run) describe(ctx context.Context, report Report) error {
	keys, err := r.Place.Keys(ctx, report.prefix())
	if err != nil {
		return err
	}
	var months []cmu.Civil
	labels := map[cmu.Civil]Label{}
	for _, key := range keys {
		month, ok := report.month(key)
		if !ok {
			continue
		}
		l, _, err := r.label(ctx, key)
		if errors.Is(err, ErrNotArchive) || l == nil && err == nil {
			continue
		}
		if err != nil {
			return err
		}
		months, labels[month] = append(months, month), *l
	}
	if len(months) == 0 {
		return nil
	}
	slices.Sort(months)
	columns := report.columns(nil, true)
	for _, m := range months {
		for _, c := range labels[m].Columns {
			if !slices.ContainsFunc(columns, func(o Column) bool { return o.Name == c.Name }) {
				columns = append(columns, c)
			}
		}
	}
	first, _, _, _, _ := months[0].Fields()
	for name, text := range map[string]string{
		athenaFile: athenaSQL(report, r.Place.String(), columns, first), duckFile: duckSQL(report, r.Place.String()),
	} {
		if err := r.replace(ctx, report.prefix()+name, text); err != nil {
			return err
		}
	}
	return nil
}

// replace puts a text unless it is there.
func (r *run) replace(ctx context.Context, key, text string) error {
	version := ""
	o, err := r.Place.Open(ctx, key)
	switch {
	case err == nil:
		have, err := io.ReadAll(io.NewSectionReader(o, 0, o.Size))
		version = o.Version
		o.Close()
		if err != nil {
			return err
		}
		if string(have) == text {
			return nil
		}
	case !errors.Is(err, fs.ErrNotExist):
		return err
	}
	if err = r.Place.Put(ctx, key, bytes.NewReader([]byte(text)), version); errors.Is(err, ErrChanged) {
		return nil // by a writer that knows as much
	}
	return err
}

// table is the report's name as SQL takes it.
func (r Report) table() string { return "cmu_" + columnName(r.Name) }

// yearsAhead is how many years past the first a table has partitions for.
const yearsAhead = 20

// athenaSQL makes a table of a report. The partitions are computed, so that none have to be added each month. Source: Amazon Athena User
// Guide, "Use partition projection".
func athenaSQL(r Report, place string, columns []Column, firstYear int) string {
	if !InBucket(place) {
		place = "s3://BUCKET/PREFIX" // where the folder is copied to
	}
	var fields []string
	for _, c := range columns {
		fields = append(fields, fmt.Sprintf("  `%s` %s", c.Name, c.Type))
	}
	at := quoteSQL(place + "/" + strings.TrimSuffix(r.prefix(), "/"))
	return fmt.Sprintf(`CREATE EXTERNAL TABLE IF NOT EXISTS %s (
%s
)
COMMENT %s
PARTITIONED BY (`+"`year` int, `month` int"+`)
STORED AS PARQUET
LOCATION %s
TBLPROPERTIES (
  'projection.enabled' = 'true',
  'projection.year.type' = 'integer',
  'projection.year.range' = '%d,%d',
  'projection.month.type' = 'integer',
  'projection.month.range' = '1,12',
  'storage.location.template' = %s
)
`, "`"+r.table()+"`", strings.Join(fields, ",\n"), quoteSQL(r.Request.Report()), strings.TrimSuffix(at, "'")+"/'", firstYear, firstYear+yearsAhead,
		strings.TrimSuffix(at, "'")+"/year=${year}/month=${month}/'")
}

// duckSQL makes a view of a report in DuckDB.
func duckSQL(r Report, place string) string {
	if !InBucket(place) {
		if whole, err := filepath.Abs(place); err == nil {
			place = filepath.ToSlash(whole)
		}
	}
	return fmt.Sprintf(`CREATE OR REPLACE VIEW %s AS
SELECT * EXCLUDE (report) FROM read_parquet(
  %s,
  hive_partitioning = true, hive_types = {'year': INTEGER, 'month': INTEGER}, union_by_name = true
);
`, r.table(), quoteSQL(place+"/"+r.prefix()+"year=*/month=*/"+rowsFile))
}

func quoteSQL(text string) string { return "'" + strings.ReplaceAll(text, "'", "''") + "'" }
