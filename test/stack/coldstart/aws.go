package main

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"
)

// cloud stands in for DynamoDB and Secrets Manager, as far as one process at a time asks for them: conditions hold always.
type cloud struct {
	mu      sync.Mutex // guards what follows
	items   map[string]map[string]item
	secrets map[string]string
}

type item map[string]map[string]any

func newCloud() *cloud {
	return &cloud{items: map[string]map[string]item{}, secrets: map[string]string{}}
}

func (i item) text(name string) string {
	s, _ := i[name]["S"].(string)
	return s
}

func (c *cloud) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var in struct {
		Item, Key                 item
		KeyConditionExpression    string
		ExpressionAttributeValues item
		RequestItems              map[string][]map[string]struct{ Item, Key item }
		SecretID                  string `json:"SecretId"`
		SecretString              string
		ClientRequestToken        string
	}
	if err := json.NewDecoder(r.Body).Decode(&in); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	out := map[string]any{}
	switch _, call, _ := strings.Cut(r.Header.Get("X-Amz-Target"), "."); call {
	case "PutItem":
		c.put(in.Item)
	case "DeleteItem":
		delete(c.items[in.Key.text("pk")], in.Key.text("sk"))
	case "BatchWriteItem":
		for _, requests := range in.RequestItems {
			for _, one := range requests {
				c.put(one["PutRequest"].Item)
				delete(c.items[one["DeleteRequest"].Key.text("pk")], one["DeleteRequest"].Key.text("sk"))
			}
		}
	case "Query":
		found := c.query(in.KeyConditionExpression, in.ExpressionAttributeValues)
		out["Items"], out["Count"], out["ScannedCount"] = found, len(found), len(found)
	case "GetSecretValue":
		text, ok := c.secrets[in.SecretID]
		if !ok {
			w.Header().Set("X-Amzn-ErrorType", "ResourceNotFoundException")
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		out["Name"], out["SecretString"], out["VersionId"], out["CreatedDate"] = in.SecretID, text, "1", time.Now().Unix()
	case "PutSecretValue":
		c.secrets[in.SecretID] = in.SecretString
		out["Name"], out["VersionId"] = in.SecretID, in.ClientRequestToken
	default:
		http.Error(w, "no such call: "+call, http.StatusBadRequest)
		return
	}
	w.Header().Set("Content-Type", "application/x-amz-json-1.0")
	json.NewEncoder(w).Encode(out)
}

func (c *cloud) put(i item) {
	if i == nil {
		return
	}
	pk := i.text("pk")
	if c.items[pk] == nil {
		c.items[pk] = map[string]item{}
	}
	c.items[pk][i.text("sk")] = i
}

// query understands the conditions that the store makes.
func (c *cloud) query(condition string, values item) []item {
	found := []item{}
	for sk, i := range c.items[values.text(":pk")] {
		switch {
		case strings.Contains(condition, "BETWEEN") && (sk < values.text(":first") || sk > values.text(":last")):
		case strings.Contains(condition, "sk = :sk") && sk != values.text(":sk"):
		case strings.Contains(condition, "begins_with") && !strings.HasPrefix(sk, values.text(":prefix")):
		default:
			found = append(found, i)
		}
	}
	slices.SortFunc(found, func(a, b item) int { return strings.Compare(a.text("sk"), b.text("sk")) })
	return found
}
