package supervise

import (
	"fmt"
	"strings"
)

// link checks the table and connects each component with those it depends on and those that depend on it.
func link(units []*unit) error {
	byName := map[string]*unit{}
	for _, u := range units {
		switch {
		case u.Name == "":
			return fmt.Errorf("a component has no name")
		case u.Runner == nil:
			return fmt.Errorf("component %s has nothing to run", u.Name)
		case byName[u.Name] != nil:
			return fmt.Errorf("there are two components named %s", u.Name)
		}
		byName[u.Name] = u
	}
	for _, u := range units {
		for _, name := range u.DependsOn {
			dependency := byName[name]
			if dependency == nil {
				return fmt.Errorf("component %s depends on %s, which is not there", u.Name, name)
			}
			u.dependencies = append(u.dependencies, dependency)
			dependency.dependants = append(dependency.dependants, u)
		}
	}
	return checkCycles(units)
}

// checkCycles follows the dependencies of each component and names the first that lead back to it.
func checkCycles(units []*unit) error {
	finished := map[*unit]bool{}
	var path []*unit
	var visit func(u *unit) error
	visit = func(u *unit) error {
		for i, seen := range path {
			if seen == u {
				return fmt.Errorf("components depend on each other: %s", describePath(append(path[i:], u)))
			}
		}
		if finished[u] {
			return nil
		}
		path = append(path, u)
		for _, dependency := range u.dependencies {
			if err := visit(dependency); err != nil {
				return err
			}
		}
		path = path[:len(path)-1]
		finished[u] = true
		return nil
	}
	for _, u := range units {
		if err := visit(u); err != nil {
			return err
		}
	}
	return nil
}

func describePath(path []*unit) string {
	names := make([]string, len(path))
	for i, u := range path {
		names[i] = u.Name
	}
	return strings.Join(names, " on ")
}
