package main

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"log"
	"os"
	"strings"
)

// options are kcptun's, by kcptun's names (kcptun wire, 8.1).
type options struct {
	local, remote  string // client: TCP to listen on, UDP to talk to; server: UDP, TCP
	key, crypt     string
	qpp            bool
	qppCount       int
	conn           int
	dataShards     int
	parityShards   int
	mtu            int
	sndwnd, rcvwnd int
	nodelay        [4]int // nodelay, interval, resend, nc
	ackNoDelay     bool
	dscp, sockbuf  int
	rateLimit      int
	noComp         bool
	smuxVersion    int
	smuxBuf        int
	frameSize      int
	streamBuf      int
	keepAlive      int // seconds
	closeWait      int // seconds
	snmpLog        string
	snmpPeriod     int // seconds
	quiet          bool
}

// modes are the presets of nodelay, interval, resend and nc (kcptun wire, 8.2).
var modes = map[string][4]int{
	"normal": {0, 40, 2, 1},
	"fast":   {0, 30, 2, 1},
	"fast2":  {1, 20, 2, 1},
	"fast3":  {1, 10, 2, 1},
}

// jsonKeys are the keys of a JSON file that differ from the flag's name.
var jsonKeys = map[string]string{"qpp": "QPP", "qpp-count": "QPPCount"}

// parse reads the command line and then the JSON file, which overrides it.
func parse(serves bool, arguments []string) *options {
	o := &options{}
	set := flag.NewFlagSet("modern", flag.ExitOnError)
	addresses(set, o, serves)
	text(set, &o.key, environment("KCPTUN_KEY", "it's a secrect"), "key")
	text(set, &o.crypt, "aes", "crypt")
	set.BoolVar(&o.qpp, "QPP", false, "")
	number(set, &o.qppCount, 61, "QPPCount")
	number(set, &o.dataShards, 10, "datashard", "ds")
	number(set, &o.parityShards, 3, "parityshard", "ps")
	number(set, &o.mtu, 1350, "mtu")
	number(set, &o.dscp, 0, "dscp")
	number(set, &o.sockbuf, 4<<20, "sockbuf")
	number(set, &o.rateLimit, 0, "ratelimit")
	set.BoolVar(&o.noComp, "nocomp", false, "")
	number(set, &o.smuxVersion, 2, "smuxver")
	number(set, &o.smuxBuf, 4<<20, "smuxbuf")
	number(set, &o.frameSize, 8192, "framesize")
	number(set, &o.streamBuf, 2<<20, "streambuf")
	number(set, &o.keepAlive, 10, "keepalive")
	text(set, &o.snmpLog, "", "snmplog")
	number(set, &o.snmpPeriod, 60, "snmpperiod")
	set.BoolVar(&o.quiet, "quiet", false, "")
	set.BoolVar(&o.ackNoDelay, "acknodelay", false, "")
	for index, name := range []string{"nodelay", "interval", "resend", "nc"} {
		number(set, &o.nodelay[index], [4]int{0, 50, 0, 0}[index], name)
	}
	var mode, file string
	text(set, &mode, "fast", "mode")
	text(set, &file, "", "c")

	set.Parse(arguments)
	if file != "" {
		if err := readFile(set, file); err != nil {
			log.Fatal(err)
		}
	}
	if preset, known := modes[mode]; known {
		o.nodelay = preset
	}
	return o
}

// addresses adds the flags whose names or defaults depend on the side.
func addresses(set *flag.FlagSet, o *options, serves bool) {
	if serves {
		text(set, &o.local, ":29900", "listen", "l")
		text(set, &o.remote, "127.0.0.1:12948", "target", "t")
		number(set, &o.sndwnd, 1024, "sndwnd")
		number(set, &o.rcvwnd, 1024, "rcvwnd")
		number(set, &o.closeWait, 30, "closewait")
		return
	}
	text(set, &o.local, ":12948", "localaddr", "l")
	text(set, &o.remote, "vps:29900", "remoteaddr", "r")
	number(set, &o.sndwnd, 128, "sndwnd")
	number(set, &o.rcvwnd, 512, "rcvwnd")
	number(set, &o.closeWait, 0, "closewait")
	number(set, &o.conn, 1, "conn")
}

func text(set *flag.FlagSet, value *string, standard string, names ...string) {
	for _, name := range names {
		set.StringVar(value, name, standard, "")
	}
}

func number(set *flag.FlagSet, value *int, standard int, names ...string) {
	for _, name := range names {
		set.IntVar(value, name, standard, "")
	}
}

func environment(name, standard string) string {
	if value := os.Getenv(name); value != "" {
		return value
	}
	return standard
}

// readFile sets flags from a JSON object; unknown keys are ignored, the case of keys too.
func readFile(set *flag.FlagSet, path string) error {
	data, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.UseNumber()
	var values map[string]any
	if err := decoder.Decode(&values); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	for key, value := range values {
		name := strings.ToLower(key)
		if flagName, differs := jsonKeys[name]; differs {
			name = flagName
		}
		if set.Lookup(name) == nil {
			continue
		}
		if err := set.Set(name, fmt.Sprint(value)); err != nil {
			return fmt.Errorf("%s: %s: %w", path, key, err)
		}
	}
	return nil
}
