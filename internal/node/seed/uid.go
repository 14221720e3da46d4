package seed

import (
	"encoding/json"
	"errors"
	"strings"

	"google.golang.org/protobuf/encoding/protowire"
)

// protobufPrefix begins a value that the API server stored as protobuf: a runtime.Unknown follows. What the
// API server stores otherwise is JSON.
const protobufPrefix = "k8s\x00"

// Numbers of the fields on the way to an object's UID. They are part of Kubernetes' API: all types have
// their ObjectMeta in field 1.
const (
	unknownRaw    protowire.Number = 2
	objectMeta    protowire.Number = 1
	objectMetaUID protowire.Number = 5
)

var errNoUID = errors.New("the value is no Kubernetes object with a UID")

// objectUID returns the UID of the object that a value holds.
func objectUID(value []byte) (string, error) {
	uid := ""
	if text, ok := strings.CutPrefix(string(value), protobufPrefix); ok {
		raw := field([]byte(text), unknownRaw)
		uid = string(field(field(raw, objectMeta), objectMetaUID))
	} else {
		var object struct {
			Metadata struct {
				UID string `json:"uid"`
			} `json:"metadata"`
		}
		if err := json.Unmarshal(value, &object); err != nil {
			return "", errNoUID
		}
		uid = object.Metadata.UID
	}
	if loc := uidPattern.FindStringIndex(uid); loc == nil || len(uid) != uidSize {
		return "", errNoUID
	}
	return uid, nil
}

// field returns the content of a message's first field of that number, nil if there is none of bytes.
func field(message []byte, number protowire.Number) []byte {
	for len(message) > 0 {
		num, typ, n := protowire.ConsumeTag(message)
		if n < 0 {
			return nil
		}
		message = message[n:]
		if num == number && typ == protowire.BytesType {
			content, n := protowire.ConsumeBytes(message)
			if n < 0 {
				return nil
			}
			return content
		}
		n = protowire.ConsumeFieldValue(num, typ, message)
		if n < 0 {
			return nil
		}
		message = message[n:]
	}
	return nil
}
