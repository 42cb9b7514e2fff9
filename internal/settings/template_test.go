package settings

import (
	"os"
	"regexp"
	"strings"
	"testing"
)

// functions are those of the template, by their logical names.
var functions = map[string]Where{"Register": Register, "Refresh": Refresh, "Query": Query, "Archiver": Archive}

// template is what template.yaml says about the environment of the functions.
type template struct {
	parameters map[string]map[string]string    // the attributes of each, such as Default
	variables  map[Where]map[string]assignment // those of each function, by name
}

// assignment is what a variable is set to: a parameter's value, a text, or what CloudFormation makes of a resource.
type assignment struct {
	parameter, text string
	made            bool
}

var (
	yamlKey       = regexp.MustCompile(`^( *)([A-Za-z0-9_]+):(?: +(.*))?$`)
	yamlIntrinsic = regexp.MustCompile(`^!(Ref|Sub|GetAtt) \S+$`)
	yamlText      = regexp.MustCompile(`^('[^']*'|[A-Za-z0-9./:_-]+)$`)
)

// readTemplate reads those lines of template.yaml that it must know, and fails on a variable that is set in a way that it does
// not know.
func readTemplate(t *testing.T) template {
	t.Helper()
	text := readFile(t, "template.yaml")
	out := template{map[string]map[string]string{}, map[Where]map[string]assignment{}}
	for _, f := range functions {
		out.variables[f] = map[string]assignment{}
	}
	var section, entry string
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, " \n")
		key := yamlKey.FindStringSubmatch(line)
		if key == nil {
			if code := strings.TrimSpace(line); strings.Contains(code, prefix) && !strings.HasPrefix(code, "#") {
				t.Errorf("template.yaml: this test cannot read %q", line)
			}
			continue
		}
		switch name, value := key[2], key[3]; {
		case key[1] == "":
			section, entry = name, ""
		case len(key[1]) == 2:
			if entry = name; section == "Parameters" {
				out.parameters[name] = map[string]string{}
			}
		case section == "Parameters":
			out.parameters[entry][name] = strings.Trim(value, "'")
		case strings.HasPrefix(name, prefix) || strings.HasPrefix(name, "AWS_"):
			a, ok := readAssignment(value, out.parameters)
			f, known := functions[entry]
			if !ok || section != "Globals" && (section != "Resources" || !known) {
				t.Errorf("template.yaml: this test cannot read %q in %s.%s", line, section, entry)
			}
			for _, each := range functions {
				if section == "Globals" || each == f {
					out.variables[each][name] = a
				}
			}
		case strings.Contains(value, prefix):
			t.Errorf("template.yaml: this test cannot read %q", line)
		}
	}
	if len(out.parameters) == 0 || out.variables[Query]["CMU_TABLE"] == (assignment{}) {
		t.Fatalf("template.yaml cannot be read: %+v", out)
	}
	return out
}

func readAssignment(value string, parameters map[string]map[string]string) (assignment, bool) {
	if name, ok := strings.CutPrefix(value, "!Ref "); ok {
		if _, ok := parameters[name]; ok {
			return assignment{parameter: name}, true
		}
	}
	if yamlIntrinsic.MatchString(value) {
		return assignment{made: true}, true
	}
	return assignment{text: strings.Trim(value, "'")}, yamlText.MatchString(value)
}

func readFile(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile("../../" + name)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// Where the stack has another value than a laptop's default, and why.
var otherInAWS = map[string]string{
	"CMU_FETCH_TOTAL": "one process needs no bound over several",
	"CMU_MEMORY":      "the query function has 1769 MB",
	"CMU_PURGE":       "API Gateway lets nobody delete whom IAM does not allow",
}

// What is right as it is on every stack, and so is not set by the template: a new variable is either set there, or put here.
var leftToDefault = map[string]bool{
	"CMU_SETTLE_MARGIN": true, "CMU_FRESH_MINUTE": true, "CMU_FRESH_HOUR": true, "CMU_FRESH_DAY": true, "CMU_FRESH_MONTH": true,
	"CMU_FRESH_LEVEL": true, "CMU_FRESH_SETTLED": true, "CMU_STALE_WINDOW": true, "CMU_STALE_IF_ERROR": true,
	"CMU_FETCH_PARALLEL": true, "CMU_ADOBE_TIMEOUT": true, "CMU_REGISTER_INTERVAL": true,
}

// Each function is given the variables that count in it, by the defaults of the table, and no others.
func TestTemplate(t *testing.T) {
	read := readTemplate(t)
	differs := map[string]bool{}
	for logical, f := range functions {
		set := read.variables[f]
		var environ []string
		for _, v := range Variables() {
			a, ok := set[v.Name]
			delete(set, v.Name)
			switch counts := v.Where&f != 0; {
			case ok && !counts:
				t.Errorf("%s is given %s, which does not count in it", logical, v.Name)
			case ok && leftToDefault[v.Name]:
				t.Errorf("%s is given %s, which is left to its default", logical, v.Name)
			case counts && !ok && !leftToDefault[v.Name]:
				t.Errorf("%s is not given %s", logical, v.Name)
			}
			if !ok || a.made {
				continue
			}
			value := a.text
			if a.parameter != "" {
				value = read.parameters[a.parameter]["Default"]
			}
			if environ = append(environ, v.Name+"="+value); value != v.Default {
				differs[v.Name] = true
			}
		}
		for name := range set {
			if strings.HasPrefix(name, prefix) {
				t.Errorf("%s is given %s, which does not exist", logical, name)
			}
		}
		if _, err := FromEnv(environ); err != nil {
			t.Errorf("%s does not start: %v", logical, err)
		}
	}
	for _, v := range Variables() {
		if reason := otherInAWS[v.Name]; differs[v.Name] != (reason != "") {
			t.Errorf("%s differs from its default %q in template.yaml: %v, by intent: %q", v.Name, v.Default, differs[v.Name], reason)
		}
	}
}

// What a parameter takes, the functions start with.
func TestParameters(t *testing.T) {
	read := readTemplate(t)
	for _, v := range Variables() {
		name := read.variables[Query][v.Name].parameter
		if name == "" {
			name = read.variables[Register][v.Name].parameter
		}
		p := read.parameters[name]
		allowed := "[" + strings.ReplaceAll(v.Allowed, " or ", ", ") + "]"
		if values := strings.ReplaceAll(p["AllowedValues"], "'", ""); values != "" && values != allowed {
			t.Errorf("%s takes %s, %s %s", name, values, v.Name, v.Allowed)
		}
		for _, bound := range []string{p["MinValue"], p["MaxValue"]} {
			if _, err := FromEnv([]string{v.Name + "=" + bound}); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
	for _, test := range []struct{ parameter, variable, value string }{
		{"AuthUrl", "CMU_AUTH_URL", "sp.auth.adobe.com"}, {"ReportsUrl", "CMU_REPORTS_URL", "https://host/cmu/v2?limit=1"},
		{"ReportsUrl", "CMU_REPORTS_URL", "https://host/cmu/v2#"}, {"RedirectUri", "CMU_REDIRECT_URI", "www.adobe.com"},
		{"RedirectUri", "CMU_REDIRECT_URI", "https://www.adobe.com#x"}, {"DeviceInfo", "CMU_DEVICE_INFO", "eyJhIjoiPz8_In0="},
		{"ReportZone", "CMU_REPORT_ZONE", "../etc/passwd"},
	} {
		if _, err := FromEnv([]string{test.variable + "=" + test.value}); err == nil {
			t.Errorf("%s is right for %s", test.value, test.variable)
		}
		if pattern := read.parameters[test.parameter]["AllowedPattern"]; pattern == "" || regexp.MustCompile(pattern).MatchString(test.value) {
			t.Errorf("%s takes %s, which %s does not", test.parameter, test.value, test.variable)
		}
	}
}

// A template that sets a variable in a way of its own is read right, or not at all.
func TestReadAssignment(t *testing.T) {
	parameters := map[string]map[string]string{"RowLimit": {"Default": "10000"}}
	for value, want := range map[string]assignment{
		"!Ref RowLimit": {parameter: "RowLimit"}, "!Ref Table": {made: true}, "!Sub ${AWS::StackName}-refresh": {made: true},
		"256MiB": {text: "256MiB"}, "'true'": {text: "true"}, "''": {}, "cmu-gateway/token": {text: "cmu-gateway/token"},
	} {
		if got, ok := readAssignment(value, parameters); !ok || got != want {
			t.Errorf("%s: got %+v, %v, want %+v", value, got, ok, want)
		}
	}
	for _, value := range []string{"", "!If [HasReserve, 1, 2]", "{Ref: RowLimit}", "!Ref", "!ImportValue x", `"10"`, ">-", "*memory"} {
		if got, ok := readAssignment(value, parameters); ok {
			t.Errorf("%q: got %+v", value, got)
		}
	}
}
