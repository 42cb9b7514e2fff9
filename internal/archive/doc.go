// Package archive keeps reports for longer than Adobe does: one Parquet object for each report and month, in a folder or an S3
// bucket, in a form that other people's engines read.
//
// Run (run.go) goes through reports and months. Which months it looks at (due.go), and whether what it found replaces what is kept
// (judge.go), are pure decisions. Rows become columns (columns.go) of a file (write.go) whose footer is the month's label (label.go).
// A Place (place.go) holds the files: a folder or a bucket. What engines need to read them stands beside them (sql.go).
package archive
