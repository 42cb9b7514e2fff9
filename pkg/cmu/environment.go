package cmu

// Environment is one of Adobe's installations.
type Environment struct {
	Name string
	// AuthURL is the authorization server: client registration and tokens.
	AuthURL string
	// ReportsURL is the reports base with its path prefix.
	ReportsURL string
}

// environments holds Adobe's installations. The reports hosts other than production's are those of the sister API.
//
// Source: Adobe, Dynamic Client Registration API and CMU API overview.
var environments = []Environment{
	{"production", "https://sp.auth.adobe.com", "https://mgmt.auth.adobe.com/cmu/v2"},
	{"prequal-production", "https://sp-prequal.auth.adobe.com", "https://mgmt-prequal.auth.adobe.com/cmu/v2"},
	{"staging", "https://sp.auth-staging.adobe.com", "https://mgmt.auth-staging.adobe.com/cmu/v2"},
	{"prequal-staging", "https://sp-prequal.auth-staging.adobe.com", "https://mgmt-prequal.auth-staging.adobe.com/cmu/v2"},
}

// LookupEnvironment returns the installation of that name.
func LookupEnvironment(name string) (Environment, bool) {
	for _, e := range environments {
		if e.Name == name {
			return e, true
		}
	}
	return Environment{}, false
}

// EnvironmentNames returns the names that LookupEnvironment knows.
func EnvironmentNames() []string {
	names := make([]string, len(environments))
	for i, e := range environments {
		names[i] = e.Name
	}
	return names
}
