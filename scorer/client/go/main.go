// Asks a scorer for the best ads of a user, as an ad server in Go does: with a deadline, and one
// more try if a worker is away or refuses. Run it by
//
//	make client-go && .build/go/rank 127.0.0.1:8500 u1
package main

import (
	"context"
	"fmt"
	"log"
	"os"
	"time"

	pb "ctr/client/ctrv1"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
)

// The client's own retries: gRPC makes them within the deadline, at other addresses if there are.
const policy = `{
  "loadBalancingConfig": [{"round_robin": {}}],
  "methodConfig": [{
    "name": [{"service": "ctr.v1.Scorer"}],
    "retryPolicy": {
      "maxAttempts": 2,
      "initialBackoff": "0.001s",
      "maxBackoff": "0.01s",
      "backoffMultiplier": 2,
      "retryableStatusCodes": ["UNAVAILABLE", "RESOURCE_EXHAUSTED"]
    }
  }]
}`

func main() {
	if len(os.Args) != 3 {
		log.Fatal("usage: rank HOST:PORT USER")
	}
	connection, err := grpc.NewClient(os.Args[1],
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithDefaultServiceConfig(policy))
	if err != nil {
		log.Fatal(err)
	}
	defer connection.Close()

	deadline, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	answer, err := pb.NewScorerClient(connection).Rank(deadline, &pb.RankRequest{
		RequestId: fmt.Sprintf("go-%d", time.Now().UnixNano()),
		UserId:    os.Args[2],
		Limit:     3,
	})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%s %s %s\n", answer.Variant, answer.ModelVersion, answer.Rung)
	for _, ad := range answer.Ads {
		// Show the ad, then send ad.Token in the impression event, unchanged.
		fmt.Printf("%s %.6f %d\n", ad.AdId, ad.Ctr, len(ad.Token))
	}
}
