# Query what comes through a pipe, such as a metrics page from curl.
printf 'queue_length{queue="mail"} 3\nqueue_length{queue="sms"} 4\n' |
    novaql query 'sum(queue_length)' --data - --format csv | grep ',7$'
