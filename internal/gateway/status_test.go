package gateway

import (
	"encoding/json"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
)

// The schema of status in the API's description is that of the Go types, whatever they hold.
func TestOpenAPIDescribesStatus(t *testing.T) {
	var doc struct {
		Components struct{ Schemas map[string]schema }
	}
	if err := json.Unmarshal([]byte(openAPIText), &doc); err != nil {
		t.Fatal(err)
	}
	compareSchema(t, "Status", reflect.TypeFor[Status](), doc.Components.Schemas["Status"], doc.Components.Schemas)
}

type schema struct {
	Ref, Type, Format string
	Required          []string
	Properties        map[string]schema
	Items             *schema
}

func (s *schema) UnmarshalJSON(text []byte) error {
	type plain schema
	var with struct {
		plain
		Ref  string `json:"$ref"`
		Type any    // an array in schemas that status has no part in
	}
	if err := json.Unmarshal(text, &with); err != nil {
		return err
	}
	*s = schema(with.plain)
	s.Ref = with.Ref
	s.Type, _ = with.Type.(string)
	return nil
}

// compareSchema fails where a value of a type, encoded as JSON, is not what the schema says, or may lack what the schema requires.
func compareSchema(t *testing.T, at string, typ reflect.Type, s schema, named map[string]schema) {
	t.Helper()
	if name, ok := strings.CutPrefix(s.Ref, "#/components/schemas/"); ok {
		s = named[name]
	}
	if typ.Kind() == reflect.Pointer {
		typ = typ.Elem()
	}
	want := map[reflect.Kind]string{
		reflect.String: "string", reflect.Bool: "boolean", reflect.Int: "integer", reflect.Int64: "integer", reflect.Slice: "array",
		reflect.Struct: "object", reflect.Map: "object",
	}[typ.Kind()]
	if typ == reflect.TypeFor[time.Time]() {
		if s.Type != "string" || s.Format != "date-time" {
			t.Errorf("%s: type %q, format %q, want a date-time", at, s.Type, s.Format)
		}
		return
	}
	if want == "" || s.Type != want {
		t.Errorf("%s: type %q, want %q of %v", at, s.Type, want, typ)
		return
	}
	switch typ.Kind() {
	case reflect.Slice:
		if s.Items == nil {
			t.Errorf("%s: no items", at)
			return
		}
		compareSchema(t, at+"[]", typ.Elem(), *s.Items, named)
	case reflect.Struct:
		var names, required []string
		for f := range typ.Fields() {
			name, options, _ := strings.Cut(f.Tag.Get("json"), ",")
			if name == "-" {
				continue
			}
			if name == "" || f.Anonymous {
				t.Errorf("%s: the field %s has no JSON name", at, f.Name)
				continue
			}
			names = append(names, name)
			if options == "" {
				required = append(required, name)
			}
			property, ok := s.Properties[name]
			if !ok {
				t.Errorf("%s.%s is not described", at, name)
				continue
			}
			compareSchema(t, at+"."+name, f.Type, property, named)
		}
		for name := range s.Properties {
			if !slices.Contains(names, name) {
				t.Errorf("%s.%s is described and does not exist", at, name)
			}
		}
		slices.Sort(required)
		slices.Sort(s.Required)
		if !slices.Equal(required, s.Required) {
			t.Errorf("%s: always there %q, required %q", at, required, s.Required)
		}
	}
}
