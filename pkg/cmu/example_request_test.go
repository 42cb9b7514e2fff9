package cmu_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"os"
	"strings"
	"time"

	"cmu-gateway/pkg/cmu"
)

// The raw answer, in a representation other than JSON.
func ExampleClient_Report() {
	client, done := answering(http.StatusOK, "Content-Type", "text/csv", "year,active-users\n2026,205\n")
	defer done()

	resp, err := client.Report(context.Background(), "token", cmu.Request{Path: []string{"year"}}, "text/csv")
	if err != nil {
		log.Fatal(err)
	}
	defer resp.Body.Close()
	if _, err := io.Copy(os.Stdout, resp.Body); err != nil {
		log.Fatal(err)
	}
	// Output:
	// year,active-users
	// 2026,205
}

// What to do about an error of Adobe's is decided by its kind.
func ExampleError() {
	client, done := answering(http.StatusTooManyRequests, "Retry-After", "20", "")
	defer done()

	_, err := client.Report(context.Background(), "token", cmu.Request{}, "application/json")
	var adobe *cmu.Error
	switch {
	case errors.Is(err, cmu.ErrThrottled) && errors.As(err, &adobe):
		fmt.Println("again in", adobe.RetryAfter)
	case errors.Is(err, cmu.ErrUnauthorized):
		fmt.Println("get another token")
	case errors.Is(err, cmu.ErrTooWide):
		fmt.Println("ask for a shorter window")
	case errors.As(err, &adobe):
		fmt.Println("Adobe says", adobe.Status, adobe.Reason)
	case err != nil:
		fmt.Println("no answer:", err)
	}
	fmt.Println(err)
	// Output:
	// again in 20s
	// adobe report: status 429
}

// A request is parsed from a URL, and changed as a value.
func ExampleParse() {
	request, err := cmu.Parse("/tenant/year/month/day.csv", "mvpd=b&mvpd=a&start=2026-07&access_token=gone")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(request.Canonical(), request.Format)

	start, _ := request.Start.Civil()
	request.End = cmu.BoundAt(cmu.Month.Step(start, 1))
	request.Metrics = []string{"active-users"}
	fmt.Println(request.URL("https://mgmt.auth.adobe.com/cmu/v2/"))

	_, err = cmu.Parse("/tenant/year", "start=yesterday&limit=0")
	var wrong *cmu.RequestError
	if errors.As(err, &wrong) {
		fmt.Println(wrong.Part)
	}
	// Output:
	// /tenant/year/month/day?mvpd=a&mvpd=b&start=2026-07-01 csv
	// https://mgmt.auth.adobe.com/cmu/v2/tenant/year/month/day?mvpd=a&mvpd=b&metrics=active-users&start=2026-07-01&end=2026-08-01
	// start
}

// Requests that mean the same have the same text, however they were built.
func ExampleRequest_Canonical() {
	parsed, err := cmu.Parse("/year/month", "mvpd=a&mvpd=b&tenant&start=2026")
	if err != nil {
		log.Fatal(err)
	}
	built := cmu.Request{
		Path: []string{"year", "month"},
		Filters: []cmu.Filter{
			{Dimension: "tenant", Operator: cmu.Project},
			{Dimension: "mvpd", Operator: cmu.Equal, Value: "b"},
			{Dimension: "mvpd", Operator: cmu.Equal, Value: "a"},
			{Dimension: "mvpd", Operator: cmu.Equal, Value: "b"},
		},
		Start: cmu.BoundAt(cmu.CivilDate(2026, 1, 1, 0, 0)),
	}
	fmt.Println(built.Canonical())
	fmt.Println(built.Canonical() == parsed.Canonical())
	// Output:
	// /year/month?mvpd=a&mvpd=b&tenant&start=2026-01-01
	// true
}

func ExampleRequest_Check() {
	fmt.Println(cmu.Request{Path: []string{"year", "month", "year"}}.Check())
	fmt.Println(cmu.Request{Filters: []cmu.Filter{{Dimension: "limit", Operator: cmu.Equal, Value: "5"}}}.Check())
	fmt.Println(cmu.Request{Path: []string{"year"}, Limit: 5}.Check())
	// Output:
	// path: dimension "year" stands twice
	// limit: is not a dimension: it cannot be filtered or negated
	// <nil>
}

// The last seven whole days by the clock of some place.
func ExampleGrain_Step() {
	now := time.Date(2026, 3, 1, 7, 30, 0, 0, time.UTC)
	place := time.FixedZone("PST", -8*3600)

	today := cmu.Day.Floor(cmu.CivilAt(now, place))
	fmt.Println(cmu.Day.Step(today, -7), "to", today)
	fmt.Println("the month after begins at", cmu.Month.Ceil(today))
	fmt.Println("Adobe recomputes days every", cmu.Day.Recompute())
	// Output:
	// 2026-02-21 to 2026-02-28
	// the month after begins at 2026-03-01
	// Adobe recomputes days every 3h0m0s
}

// Rows from a file, each dated by its time dimensions.
func ExampleReadReport() {
	file := strings.NewReader(`{"report": [{"year": "2026", "month": "7", "day": "4", "users": "12"}]}`)
	_, err := cmu.ReadReport(file, func(row cmu.Row) error {
		day, err := cmu.Day.Period(func(dimension string) string { return string(row.Get(dimension)) })
		if err != nil {
			return err
		}
		fmt.Printf("%v: %s users\n", day, row.Get("users"))
		return nil
	})
	if err != nil {
		log.Fatal(err)
	}
	// Output:
	// 2026-07-04: 12 users
}
