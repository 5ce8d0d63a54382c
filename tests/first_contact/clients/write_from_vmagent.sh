# Needs: vmagent
# vmagent scrapes the server itself, and writes what it finds into it.
cat > scrape.yml <<EOF
global: {scrape_interval: 1s}
scrape_configs:
  - job_name: novaql
    static_configs: [{targets: ["${NOVA_URL#http://}"]}]
EOF
vmagent -promscrape.config=scrape.yml -remoteWrite.url="$NOVA_URL/api/v1/write" \
    -remoteWrite.bearerToken="$NOVA_TOKEN" -remoteWrite.tmpDataPath=agent \
    -remoteWrite.flushInterval=500ms -httpListenAddr=127.0.0.1:0 2> agent.log &
trap 'kill $!' EXIT

for attempt in $(seq 300); do
    novaql query 'sum(up{job="novaql"})' --data "$NOVA_URL" --format csv > up.csv
    if grep ',1$' up.csv; then exit 0; fi
    sleep 0.2
done
cat agent.log
exit 1
