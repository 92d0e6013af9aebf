// Reads the operations of a run, as scripts/second-opinion.mjs writes them, and asks Porcupine (a linearizability checker of others) whether
// they have an order. It knows nothing of our checker but the operations themselves.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"sort"
	"strings"
	"time"

	"github.com/anishathalye/porcupine"
)

// One operation, one line.
type line struct {
	Object string `json:"object"`
	Client string `json:"client"`
	Call   int64  `json:"call"`
	// null: it may have taken effect at any time since, or never.
	End *int64 `json:"end"`
	// acquire, end, read or update.
	Do      string `json:"do"`
	Hold    string `json:"hold"`
	Mode    string `json:"mode"`
	Permits int    `json:"permits"`
	// Below 0: it has none.
	Token int64 `json:"token"`
	From  int64 `json:"from"`
	To    int64 `json:"to"`
}

type holders struct {
	held          string
	permits       int
	readers       int
	writers       int
	written, read int64
}

func has(held, hold string) bool { return strings.Contains(held, "|"+hold+":") }

func holdModel(limit int) porcupine.Model {
	return porcupine.Model{
		Init: func() interface{} { return holders{written: -1, read: -1} },
		Step: func(state, input, _ interface{}) (bool, interface{}) {
			s, op := state.(holders), input.(line)
			entry := fmt.Sprintf("|%s:%s:%d|", op.Hold, op.Mode, op.Permits)
			if op.Do == "end" {
				if !has(s.held, op.Hold) {
					return false, state
				}
				s.held = strings.Replace(s.held, entry, "", 1)
				s.count(op, -1)
				return true, s
			}
			free := s.writers == 0 && (op.Mode == "read" || s.readers == 0)
			if op.Mode == "permits" {
				free = s.permits+op.Permits <= limit
			}
			if !free || has(s.held, op.Hold) {
				return false, state
			}
			if op.Token >= 0 {
				if op.Token <= s.written || (op.Mode != "read" && op.Token <= s.read) {
					return false, state
				}
				if op.Mode != "read" {
					s.written = op.Token
				} else if op.Token > s.read {
					s.read = op.Token
				}
			}
			parts := append(strings.FieldsFunc(s.held, func(r rune) bool { return r == '|' }), strings.Trim(entry, "|"))
			sort.Strings(parts)
			s.held = ""
			for _, part := range parts {
				s.held += "|" + part + "|"
			}
			s.count(op, 1)
			return true, s
		},
	}
}

func (s *holders) count(op line, by int) {
	switch op.Mode {
	case "read":
		s.readers += by
	case "permits":
		s.permits += by * op.Permits
	default:
		s.writers += by
	}
}

var register = porcupine.Model{
	Init: func() interface{} { return int64(0) },
	Step: func(state, input, _ interface{}) (bool, interface{}) {
		op := input.(line)
		if op.Do == "read" {
			return op.From == state.(int64), state
		}
		if op.From != state.(int64) {
			// Of an update whose answer nobody has, this is where it never took effect.
			return op.End == nil, state
		}
		return true, op.To
	},
}

func modelOf(object string) porcupine.Model {
	parts := strings.SplitN(object, "/", 3)
	if parts[1] == "register" {
		return register
	}
	limit := 0
	if parts[1] == "semaphore" {
		fmt.Sscanf(parts[2][strings.LastIndex(parts[2], ":")+1:], "%d", &limit)
	}
	return holdModel(limit)
}

func main() {
	objects := map[string][]porcupine.Operation{}
	clients := map[string]int{}
	in := bufio.NewScanner(os.Stdin)
	in.Buffer(make([]byte, 1<<20), 1<<20)
	for in.Scan() {
		var op line
		if err := json.Unmarshal(in.Bytes(), &op); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(2)
		}
		if _, known := clients[op.Client]; !known {
			clients[op.Client] = len(clients)
		}
		end := int64(math.MaxInt64)
		if op.End != nil {
			end = *op.End
		}
		objects[op.Object] = append(objects[op.Object], porcupine.Operation{ClientId: clients[op.Client], Input: op, Call: op.Call, Output: nil, Return: end})
	}
	names := make([]string, 0, len(objects))
	for name := range objects {
		names = append(names, name)
	}
	sort.Strings(names)
	failed := 0
	for _, name := range names {
		result := porcupine.CheckOperationsTimeout(modelOf(name), objects[name], time.Minute)
		if result != porcupine.Ok {
			failed++
			fmt.Printf("%s: %s\n", name, result)
		}
	}
	fmt.Printf("Porcupine: %d of %d objects have a history without an order\n", failed, len(names))
	if failed > 0 {
		os.Exit(1)
	}
}
