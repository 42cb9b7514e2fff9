// A client by oapi-codegen makes a filtered call.
package main

import (
	"context"
	"fmt"
	"net/http"
	"os"

	"clients/api"
)

func main() {
	withKey := func(_ context.Context, r *http.Request) error {
		r.Header.Set("x-api-key", os.Getenv("CMU_KEY"))
		return nil
	}
	client, err := api.NewClientWithResponses(os.Getenv("GATEWAY"), api.WithRequestEditorFn(withKey))
	check(err)
	start, end, mvpd := "2026-01", "2026-03", []string{"Comcast_SSO", "Cox"}
	rows := func(p *api.GetReportParams) map[string]int {
		p.Start, p.End = &start, &end
		got, err := client.GetReportWithResponse(context.Background(), "year/month/mvpd", p)
		check(err)
		if got.JSON200 == nil {
			check(fmt.Errorf("%s: %s", got.Status(), got.Body))
		}
		by := map[string]int{}
		for _, row := range got.JSON200.Report {
			by[fmt.Sprint(row["mvpd"])]++
		}
		return by
	}
	if by := rows(&api.GetReportParams{Mvpd: &mvpd}); len(by) != 2 || by["Cox"] != 2 || by["Comcast_SSO"] != 2 {
		check(fmt.Errorf("in: %v", by))
	}
	if by := rows(&api.GetReportParams{Filters: &api.Filters{"mvpd!": "Cox"}}); len(by) < 2 || by["Cox"] != 0 {
		check(fmt.Errorf("not in: %v", by))
	}
	refused, err := client.GetReportWithResponse(context.Background(), "year/nonsense", &api.GetReportParams{})
	check(err)
	if refused.ApplicationproblemJSON404 == nil || refused.ApplicationproblemJSON404.Code != "refused_by_adobe" {
		check(fmt.Errorf("404: %s", refused.Body))
	}
	status, err := client.GetStatusWithResponse(context.Background())
	check(err)
	if status.JSON200 == nil || status.JSON200.Service != "cmu-gateway" {
		check(fmt.Errorf("status: %s", status.Body))
	}
}

func check(err error) {
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
}
