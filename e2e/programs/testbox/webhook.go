//go:build linux

package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"net/http"
)

// review is the part of an AdmissionReview that the webhook reads.
type review struct {
	APIVersion string `json:"apiVersion"`
	Kind       string `json:"kind"`
	Request    struct {
		UID    string `json:"uid"`
		Object struct {
			Metadata struct {
				Name string `json:"name"`
			} `json:"metadata"`
			Data map[string]string `json:"data"`
		} `json:"object"`
	} `json:"request"`
}

// runWebhook is a validating admission webhook that refuses ConfigMaps with the key "forbidden".
func runWebhook(ctx context.Context, args []string) error {
	flags := flag.NewFlagSet("webhook", flag.ContinueOnError)
	dir := flags.String("tls", "/tls", "directory of tls.crt and tls.key")
	if err := flags.Parse(args); err != nil {
		return err
	}
	mux := http.NewServeMux()
	mux.HandleFunc("/readyz", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "ok") })
	mux.HandleFunc("/validate", func(w http.ResponseWriter, r *http.Request) {
		var in review
		if err := json.NewDecoder(r.Body).Decode(&in); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		_, forbidden := in.Request.Object.Data["forbidden"]
		fmt.Printf("%s allowed=%t\n", in.Request.Object.Metadata.Name, !forbidden)
		response := map[string]any{"uid": in.Request.UID, "allowed": !forbidden}
		if forbidden {
			response["status"] = map[string]any{"code": http.StatusForbidden, "message": "the key \"forbidden\" is forbidden here"}
		}
		writeJSON(w, http.StatusOK, map[string]any{"apiVersion": in.APIVersion, "kind": in.Kind, "response": response})
	})
	return serveTLS(ctx, *dir, "", mux)
}
