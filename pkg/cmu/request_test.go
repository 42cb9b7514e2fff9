package cmu

import "testing"

func TestGrain(t *testing.T) {
	for path, want := range map[string]Grain{
		"": NoGrain, "tenant": NoGrain, "year": Year, "tenant/year/month": Month, "year/mvpd/month/day": Day,
		"year/month/day/hour/tenant/minute": Minute, "month": NoGrain, "year/day": NoGrain, "month/year": NoGrain, "year/month/hour/day": NoGrain,
	} {
		r, err := Parse(path, "")
		if g, ok := r.Grain(); err != nil || g != want || ok != (want != NoGrain) {
			t.Errorf("grain of %q is %v %v, want %v", path, g, ok, want)
		}
	}
}
