// Package awsconfig makes AWS clients from the environment that Lambda gives a function. It does what the SDK's config module
// does with the variables named at FromEnv, without that module's other sources (profiles, single sign-on, instance metadata),
// which a function never uses and which cost 2 MB and a millisecond of every start.
package awsconfig

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
)

// FromEnv reads environ, pairs of the form NAME=value as os.Environ returns them. An empty variable counts as unset.
//
//   - AWS_REGION or else AWS_DEFAULT_REGION, AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY: required
//   - AWS_SESSION_TOKEN
//   - AWS_ENDPOINT_URL, AWS_ENDPOINT_URL_<SERVICE>, AWS_IGNORE_CONFIGURED_ENDPOINT_URLS
//   - AWS_RETRY_MODE (standard, adaptive) and AWS_MAX_ATTEMPTS
//
// The error joins one sentence for each variable at fault and never holds a key.
//
// Source: AWS SDKs and Tools Reference Guide, settings reference.
func FromEnv(environ []string) (aws.Config, error) {
	env := environment{}
	for _, pair := range environ {
		if name, value, _ := strings.Cut(pair, "="); value != "" {
			env[name] = value
		} else {
			delete(env, name)
		}
	}
	cfg := aws.Config{
		Region:       env["AWS_REGION"],
		DefaultsMode: aws.DefaultsModeInRegion,
		HTTPClient:   newHTTPClient(),
	}
	if cfg.Region == "" {
		cfg.Region = env["AWS_DEFAULT_REGION"]
	}
	err := errors.Join(env.need(&cfg), env.endpoints(&cfg), env.retries(&cfg))
	if err != nil {
		return aws.Config{}, err
	}
	return cfg, nil
}

type environment map[string]string

func (env environment) need(cfg *aws.Config) error {
	var errs []error
	if cfg.Region == "" {
		errs = append(errs, errors.New("AWS_REGION: not set; want a region such as us-east-1"))
	}
	keys := aws.Credentials{
		AccessKeyID:     env["AWS_ACCESS_KEY_ID"],
		SecretAccessKey: env["AWS_SECRET_ACCESS_KEY"],
		SessionToken:    env["AWS_SESSION_TOKEN"],
		Source:          "environment",
	}
	for _, name := range []string{"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"} {
		if env[name] == "" {
			errs = append(errs, fmt.Errorf("%s: not set; Lambda sets it from the function's role", name))
		}
	}
	cfg.Credentials = aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) { return keys, nil })
	return errors.Join(errs...)
}

func (env environment) endpoints(cfg *aws.Config) error {
	if ignore, given := env["AWS_IGNORE_CONFIGURED_ENDPOINT_URLS"]; given {
		yes, err := strconv.ParseBool(ignore)
		if err != nil {
			return fmt.Errorf("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS: %q is not true or false", ignore)
		}
		if yes {
			return nil
		}
	}
	var errs []error
	services := endpoints{}
	for name, value := range env {
		service, ok := strings.CutPrefix(name, "AWS_ENDPOINT_URL")
		if !ok || service != "" && service[0] != '_' {
			continue
		}
		u, err := url.Parse(value)
		if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" || u.User != nil {
			errs = append(errs, fmt.Errorf("%s: not an http or https URL with a host and without credentials", name))
		}
		services[service] = value
	}
	if all, ok := services[""]; ok {
		cfg.BaseEndpoint = &all
	}
	cfg.ConfigSources = []any{services}
	return errors.Join(errs...)
}

func (env environment) retries(cfg *aws.Config) error {
	var errs []error
	if mode, given := env["AWS_RETRY_MODE"]; given {
		var err error
		if cfg.RetryMode, err = aws.ParseRetryMode(strings.ToLower(mode)); err != nil {
			errs = append(errs, fmt.Errorf("AWS_RETRY_MODE: %q is neither standard nor adaptive", mode))
		}
	}
	if attempts, given := env["AWS_MAX_ATTEMPTS"]; given {
		var err error
		if cfg.RetryMaxAttempts, err = strconv.Atoi(attempts); err != nil || cfg.RetryMaxAttempts < 1 {
			errs = append(errs, fmt.Errorf("AWS_MAX_ATTEMPTS: %q is not a whole number from 1", attempts))
		}
	}
	return errors.Join(errs...)
}

// endpoints holds the URL of each service under its variable's ending, such as _DYNAMODB. It is one of the configuration
// sources in which service clients look.
type endpoints map[string]string

// GetServiceBaseEndpoint returns the endpoint set for the service that the SDK calls by id.
func (e endpoints) GetServiceBaseEndpoint(_ context.Context, id string) (string, bool, error) {
	value, ok := e["_"+strings.ReplaceAll(strings.ToUpper(id), " ", "_")]
	return value, ok, nil
}
