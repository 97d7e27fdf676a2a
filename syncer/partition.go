package syncer

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
)

// Partition is one part of a source that is asked for, swept and aged apart.
// The zero Partition is the whole of a source that has no parts.
type Partition struct {
	// Name identifies the partition for good: the canonical JSON object of its
	// values, "" for the whole.
	Name string
	// Values are its parameters, each as JSON text, in the order of the names.
	Values []PartitionValue
}

// PartitionValue is one named parameter of a partition.
type PartitionValue struct {
	Name string
	JSON []byte
}

// Value returns the JSON text of the parameter name, nil if there is none.
func (p Partition) Value(name string) []byte {
	for _, v := range p.Values {
		if v.Name == name {
			return v.JSON
		}
	}
	return nil
}

func (p Partition) String() string {
	if p.Name == "" {
		return "whole"
	}
	return p.Name
}

// NewPartition is the partition of these values, named by the JSON object that
// they make, its members sorted.
func NewPartition(values ...PartitionValue) Partition {
	object := make(map[string]json.RawMessage)
	for _, v := range values {
		object[v.Name] = v.JSON
	}
	name, err := json.Marshal(object)
	if err != nil {
		name = []byte(fmt.Sprint(object)) // only of what is not JSON
	}
	return Partition{Name: string(name), Values: values}
}

// ParsePartition reads a partition back from its name.
func ParsePartition(name string) Partition {
	p := Partition{Name: name}
	var object map[string]json.RawMessage
	if json.Unmarshal([]byte(name), &object) != nil {
		return p
	}
	for _, key := range slices.Sorted(maps.Keys(object)) {
		p.Values = append(p.Values, PartitionValue{Name: key, JSON: object[key]})
	}
	return p
}
