package gateway

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// In passing is answered what needs no call to Adobe, whatever the caller wants of its age.
func TestAnsweredInPassing(t *testing.T) {
	r := newRig(t)
	r.get(days)
	before := r.adobe.Calls()
	for target, want := range map[string]int{
		days: http.StatusOK, days + "&format=csv": http.StatusOK, "/status": http.StatusOK, "/": http.StatusOK,
		"/cmu/v2/tenant/year/month?start=2026-01": http.StatusServiceUnavailable, "/cmu/v2/year?start=soon": http.StatusBadRequest,
	} {
		request := httptest.NewRequest(http.MethodGet, target, nil)
		got := r.ask(request.WithContext(InPassing(request.Context())))
		if got.StatusCode != want || want == http.StatusServiceUnavailable && (got.Header.Get("Retry-After") != "5" || !strings.Contains(got.body, `"code":"overloaded"`)) {
			t.Errorf("%s: %d %v %s", target, got.StatusCode, got.Header, got.body)
		}
	}
	if r.adobe.Calls() != before {
		t.Error("Adobe was asked")
	}
}
