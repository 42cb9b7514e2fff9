package cmu_test

import (
	"context"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"time"

	"cmu-gateway/internal/sandbox"
	"cmu-gateway/pkg/cmu"
)

// From a software statement to the rows of a report, at a simulated Adobe.
func Example() {
	now := func() time.Time { return time.Date(2026, 7, 4, 12, 0, 0, 0, time.UTC) }
	adobe := sandbox.New(sandbox.Options{Now: now})
	server := httptest.NewServer(adobe)
	defer server.Close()
	ctx := context.Background()

	client, err := cmu.NewClient(cmu.Environment{AuthURL: server.URL, ReportsURL: server.URL + "/cmu/v2"})
	if err != nil {
		log.Fatal(err)
	}
	client.Now = now
	statement, err := cmu.ParseStatement([]byte(adobe.Statement()))
	if err != nil {
		log.Fatal(err)
	}
	credentials, err := client.Register(ctx, statement) // once: keep them
	if err != nil {
		log.Fatal(err)
	}
	token, err := client.Token(ctx, credentials)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("token for", token.ExpiresAt.Sub(now()), "prints as", token.Value)

	request, err := cmu.Parse("/tenant/year/month/day", "start=2026-06-01&end=2026-06-04&metrics=active-users")
	if err != nil {
		log.Fatal(err)
	}
	for row, err := range client.Rows(ctx, token.Value, request).All() {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Printf("%s: %s-%s-%s, users: %t\n", row.Get("tenant"), row.Get("year"), row.Get("month"), row.Get("day"), row.Get("active-users") != nil)
	}
	// Output:
	// token for 6h0m0s prints as [redacted]
	// ACME: 2026-6-1, users: true
	// ACME: 2026-6-2, users: true
	// ACME: 2026-6-3, users: true
}

func ExampleNewClient() {
	client, err := cmu.NewClient(cmu.Environment{Name: "prequal-production"})
	if err != nil {
		log.Fatal(err)
	}
	client.Timeout = 10 * time.Second
	fmt.Println(client.AuthURL)

	_, err = cmu.NewClient(cmu.Environment{Name: "prod"})
	fmt.Println(err)
	_, err = cmu.NewClient(cmu.Environment{Name: "production", ReportsURL: "proxy.example.com/cmu/v2"})
	fmt.Println(err)
	// Output:
	// https://sp-prequal.auth.adobe.com
	// cmu: environment "prod" is none of production, prequal-production, staging, prequal-staging; name one, or give AuthURL and ReportsURL
	// cmu: ReportsURL: it has the scheme ""; want an http or https URL of a host and optionally a path, such as https://mgmt.auth.adobe.com/cmu/v2
}

// answering returns a client of a server that gives one answer to everything.
func answering(status int, header, value, body string) (*cmu.Client, func()) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set(header, value)
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}))
	return &cmu.Client{AuthURL: server.URL, ReportsURL: server.URL + "/cmu/v2"}, server.Close
}

func ExampleClient_Rows() {
	client, done := answering(http.StatusOK, "Content-Type", "application/json", `{
		"_links": {
			"self": {"href": "/cmu/v2/year/month?start=2026-06-01&limit=1000"},
			"drill-down": {"href": "/cmu/v2/year/month/day", "name": "day"}
		},
		"report": [
			{"year": "2026", "month": "6", "active-users": "205"},
			{"year": "2026", "month": "7", "active-users": "198"}
		]}`)
	defer done()

	rows := client.Rows(context.Background(), "token", cmu.Request{Path: []string{"year", "month"}})
	for row, err := range rows.All() {
		if err != nil {
			log.Fatal(err)
		}
		for name, value := range row.Each {
			fmt.Printf("%s is %s\n", name, value)
		}
	}
	for _, link := range rows.Links().DrillDown {
		fmt.Println("finer:", link.Name)
	}
	// Output:
	// year is 2026
	// month is 6
	// active-users is 205
	// year is 2026
	// month is 7
	// active-users is 198
	// finer: day
}
