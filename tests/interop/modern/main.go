// Modern is a kcptun of 2026 for the interop tests: `modern client ...` and `modern server ...`.
//
// It is written from the wire specification on the current libraries and has kcptun's flags; what
// the tests do not need (tcp, autoexpire, SIP003) is missing.
package main

import (
	"fmt"
	"log"
	"os"
	"os/signal"
	"syscall"

	"github.com/xtaci/kcp-go/v5"
)

func main() {
	log.SetFlags(log.LstdFlags | log.Lmicroseconds)
	if len(os.Args) < 2 || (os.Args[1] != "client" && os.Args[1] != "server") {
		fmt.Fprintln(os.Stderr, "usage: modern client|server [flags]")
		os.Exit(2)
	}
	serves := os.Args[1] == "server"
	options := parse(serves, os.Args[2:])
	log.Printf("%s: %+v", os.Args[1], *options)

	go logCounters(options.snmpLog, options.snmpPeriod)
	go dumpOnSignal()
	if serves {
		log.Fatal(serve(options))
	}
	log.Fatal(dial(options))
}

// dumpOnSignal logs all counters at every SIGUSR1.
func dumpOnSignal() {
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGUSR1)
	for range signals {
		log.Printf("KCP SNMP:%+v", kcp.DefaultSnmp.Copy())
	}
}
