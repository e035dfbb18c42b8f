/*
 * Counters: the one table of what is counted and measured, and of where it is told.
 *
 * From its rows come the struct that the brain counts in, the struct that the front-ends count in
 * (tally.h), the counters in /status and the families in /metrics, both in this order, and what is
 * logged at most once a minute (news.h). So a new metric is a row here and an increment.
 *
 * Owns nothing. Threads: each number is plain and belongs to one thread, which increments it. Never
 * blocks. Never fails.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/* The rows, of five sorts:
 *
 *   STATE(field, IN_STATUS or NOT_IN_STATUS, metric...)
 *       the brain counts it, in struct brain_counters
 *   TOLD(field, IN_STATUS or NOT_IN_STATUS, line, metric...)
 *       the same, and the log tells it: WARNING or INFO(the text before the number, the text after
 *       a 1, the text after any other number, the end of the line)
 *   FRONT(field, metric...)
 *       each front-end counts it, in struct tally; struct meters has the sum
 *   READ(name, expression, metric...)
 *       it is looked up when somebody asks, in `answer` (struct metrics_answer), in `process`
 *       (struct process) or in `seen` (struct fleet_seen); it is left out if it is PROCESS_UNKNOWN
 *   OWN(name, metric...)
 *       print_NAME in http/routes/metrics.c writes the samples
 *
 * The metric is NO_METRIC; or FAMILY(name, kind, help), which begins a family; or SAME_FAMILY,
 * which adds a sample to it. LABEL(name, value) may follow; IN_NANOSECONDS, which is told in
 * seconds; and IF_FLEET: the row is left out as long as no limit is of scope fleet. */
#define COUNTERS(STATE, TOLD, FRONT, READ, OWN)                                                    \
    STATE(allowed, IN_STATUS, NO_METRIC)  /* ALLOW told yes, with 0 tokens too */                  \
    STATE(denied, IN_STATUS, NO_METRIC)   /* ALLOW told no */                                      \
    STATE(resets, IN_STATUS, NO_METRIC)   /* RESET */                                              \
    STATE(refunds, IN_STATUS, NO_METRIC)  /* REFUND */                                             \
    STATE(charges, IN_STATUS, NO_METRIC)  /* CHARGE, but for those that failed */                  \
    STATE(statuses, IN_STATUS, NO_METRIC) /* STATUS */                                             \
    OWN(decisions, FAMILY("allowd_decisions_total", COUNTER,                                       \
                          "Questions whether a key may go on, by the limit and by what was "       \
                          "decided."))                                                             \
    OWN(requests, FAMILY("allowd_requests_total", COUNTER,                                         \
                         "Requests replied to, by the path called and the status of the reply."))  \
    FRONT(connections, /* opened, less those closed */                                             \
          FAMILY("allowd_connections", GAUGE, "Connections open now."))                            \
    FRONT(event_readers, /* of /events: those that have come, less those that have gone */         \
          FAMILY("allowd_event_readers", GAUGE, "Clients that read events now."))                  \
    FRONT(turned_away, /* connections that there was no room for */                                \
          FAMILY("allowd_connections_shed_total", COUNTER,                                         \
                 "Connections answered 503 for want of room, or ended because their client was "   \
                 "slow."),                                                                         \
          LABEL("reason", "full"))                                                                 \
    FRONT(overdue, /* connections ended for taking too long */                                     \
          SAME_FAMILY, LABEL("reason", "slow"))                                                    \
    FRONT(proxies_ignored, /* requests of which a check ignores a field that a proxy sends */      \
          FAMILY("allowd_check_proxies_ignored_total", COUNTER,                                    \
                 "Requests to a check with a field such as X-Forwarded-For, which was ignored "    \
                 "because the peer is none of trusted_proxies."))                                  \
    FRONT(resp_allow, /* commands of listen_resp */                                                \
          FAMILY("allowd_resp_commands_total", COUNTER,                                            \
                 "Commands taken on listen_resp, by what they are about."),                        \
          LABEL("command", "allow"))                                                               \
    FRONT(resp_admin, SAME_FAMILY, LABEL("command", "admin"))                                      \
    FRONT(resp_session, SAME_FAMILY, LABEL("command", "session"))                                  \
    FRONT(resp_unknown, SAME_FAMILY, LABEL("command", "unknown"))                                  \
    OWN(decision_ns, FAMILY("allowd_decision_duration_seconds", HISTOGRAM,                         \
                            "Time the state thread takes for a decision; those made together "     \
                            "share it evenly."))                                                   \
    OWN(batch_size, FAMILY("allowd_batch_size", HISTOGRAM,                                         \
                           "Messages that reached the state thread together."))                    \
    READ(keys, answer->daemon.keys, FAMILY("allowd_keys", GAUGE, "Keys tracked now."))             \
    READ(max_keys, answer->daemon.max_keys,                                                        \
         FAMILY("allowd_keys_max", GAUGE, "Keys there is room for."))                              \
    STATE(dropped_full, IN_STATUS, /* entries dropped because the bucket had become full */        \
          FAMILY("allowd_evictions_total", COUNTER,                                                \
                 "Keys forgotten: full, which loses nothing; unlimited, their limit being gone; "  \
                 "or live, to make room for others."),                                             \
          LABEL("kind", "full"))                                                                   \
    STATE(dropped_unlimited, IN_STATUS, /* entries dropped because a reload took their limit */    \
          SAME_FAMILY, LABEL("kind", "unlimited"))                                                 \
    TOLD(evicted, IN_STATUS, /* entries given away to make room */                                 \
         WARNING("the table is full: ", " key was", " keys were",                                  \
                 " forgotten before the bucket was full; raise max_keys"),                         \
         SAME_FAMILY, LABEL("kind", "live"))                                                       \
    TOLD(table_full_denied, IN_STATUS, /* denied for want of room, also in denied */               \
         WARNING("the table is full: ", " request was", " requests were",                          \
                 " denied for want of room; raise max_keys"),                                      \
         NO_METRIC)                                                                                \
    TOLD(table_full_allowed, IN_STATUS, /* allowed for want of room, also in allowed */            \
         WARNING("the table is full: ", " request was", " requests were",                          \
                 " allowed without being counted; raise max_keys"),                                \
         NO_METRIC)                                                                                \
    TOLD(charges_failed, IN_STATUS, /* CHARGE, for want of room */                                 \
         WARNING("the table is full of keys that owe: ", " charge was", " charges were",           \
                 " refused for want of room; raise max_keys"),                                     \
         FAMILY("allowd_charges_failed_total", COUNTER,                                            \
                "Charges refused with 503, because the table was full of keys that owe."))         \
    STATE(forgiven_tokens, IN_STATUS, /* by CHARGE: tokens beyond debt_max */                      \
          FAMILY("allowd_forgiven_tokens_total", COUNTER,                                          \
                 "Tokens of charges that were forgiven, because the key owed debt_max already."))  \
    READ(leases, answer->daemon.leases, FAMILY("allowd_leases", GAUGE, "Leases held now."))        \
    READ(max_leases, answer->daemon.max_leases,                                                    \
         FAMILY("allowd_leases_max", GAUGE, "Leases that may be held."))                           \
    STATE(leases_granted, IN_STATUS, /* ACQUIRE told yes */                                        \
          FAMILY("allowd_leases_granted_total", COUNTER, "Leases granted."))                       \
    STATE(leases_renewed, IN_STATUS, /* RENEW of one that was held */                              \
          FAMILY("allowd_leases_renewed_total", COUNTER, "Renewals of leases."))                   \
    STATE(leases_released, IN_STATUS, /* RELEASE of one that was held */                           \
          FAMILY("allowd_leases_ended_total", COUNTER,                                             \
                 "Leases that ended: released by their clients, or expired because nobody "        \
                 "renewed them."),                                                                 \
          LABEL("how", "released"))                                                                \
    TOLD(leases_expired, IN_STATUS, /* those that nobody released or renewed in time */            \
         INFO("leases that expired because nobody renewed or released them: ", "", "", ""),        \
         SAME_FAMILY, LABEL("how", "expired"))                                                     \
    TOLD(leases_refused, IN_STATUS, /* ACQUIRE, for want of leases; also in denied */              \
         WARNING("as many leases are held as may be: ", " request was", " requests were",          \
                 " denied; raise max_leases"),                                                     \
         FAMILY("allowd_leases_refused_total", COUNTER,                                            \
                "Requests denied because max_leases were held."))                                  \
    STATE(                                                                                         \
        returned_tokens, IN_STATUS, /* by RELEASE, and by expired leases (on_expiry: return) */    \
        FAMILY("allowd_returned_tokens_total", COUNTER, "Tokens that leases took and gave back.")) \
    STATE(shadow_denied, IN_STATUS, NO_METRIC)   /* allowed for a trial only, also in allowed */   \
    STATE(missing_denied, IN_STATUS, NO_METRIC)  /* checks that found no key, and denied */        \
    STATE(missing_allowed, IN_STATUS, NO_METRIC) /* checks that found no key, and allowed */       \
    STATE(skipped, IN_STATUS,                    /* requests that a check let pass uncounted */    \
          FAMILY("allowd_check_skipped_total", COUNTER,                                            \
                 "Requests that the skip rules of a check let pass uncounted."))                   \
    STATE(throttles_allowed, NOT_IN_STATUS, /* GCRA */                                             \
          FAMILY("allowd_throttles_total", COUNTER,                                                \
                 "Questions whose limit came along, by what was decided."),                        \
          LABEL("result", "allowed"))                                                              \
    STATE(throttles_denied, NOT_IN_STATUS, SAME_FAMILY, LABEL("result", "denied"))                 \
    STATE(repeated, IN_STATUS, /* questions told what they were told before: see once.h */         \
          FAMILY("allowd_repeated_total", COUNTER,                                                 \
                 "Questions asked again with the same once, which got the answer of the first."))  \
    STATE(waiting, IN_STATUS, /* not a count, but how many wait now */                             \
          FAMILY("allowd_waiting", GAUGE, "Requests that wait for their tokens now."))             \
    OWN(waited_ns, FAMILY("allowd_wait_duration_seconds", HISTOGRAM,                               \
                          "How long those waited that were then allowed."))                        \
    STATE(waits_denied, IN_STATUS, /* denied after a wait, also in denied */                       \
          FAMILY("allowd_waits_ended_total", COUNTER,                                              \
                 "Requests that waited in vain: denied in the end, or their client left."),        \
          LABEL("result", "denied"))                                                               \
    STATE(waits_left, IN_STATUS, /* LEAVE in time; neither in allowed nor in denied */             \
          SAME_FAMILY, LABEL("result", "left"))                                                    \
    TOLD(too_many_waiting, IN_STATUS, /* denied because so many wait, also in denied */            \
         WARNING("as many wait for tokens as may: ", " request was", " requests were",             \
                 " denied; raise max_waiting or waiting_per_key"),                                 \
         FAMILY("allowd_waits_refused_total", COUNTER,                                             \
                "Requests denied because as many wait already as may."))                           \
    TOLD(overrides_ended, IN_STATUS, /* that reached their end while in force */                   \
         INFO("overrides that have ended: ", "", "", ""), NO_METRIC)                               \
    READ(fleet_up, seen->link == FLEET_UP,                                                         \
         FAMILY("allowd_fleet_up", GAUGE, "Whether the fleet's store is connected: 1, else 0."),   \
         IF_FLEET)                                                                                 \
    READ(fleet_down, seen->down_ns,                                                                \
         FAMILY("allowd_fleet_down_seconds_total", COUNTER,                                        \
                "How long the fleet's store was not connected, in all."),                          \
         IN_NANOSECONDS, IF_FLEET)                                                                 \
    READ(fleet_reconnects, seen->reconnects,                                                       \
         FAMILY("allowd_fleet_reconnects_total", COUNTER,                                          \
                "Connections to the fleet's store after the first."),                              \
         IF_FLEET)                                                                                 \
    READ(fleet_calls, seen->calls,                                                                 \
         FAMILY("allowd_fleet_calls_total", COUNTER,                                               \
                "Calls of the fleet's store, each with the orders of one key or more."),           \
         IF_FLEET)                                                                                 \
    READ(fleet_calls_failed, seen->calls_failed,                                                   \
         FAMILY("allowd_fleet_calls_failed_total", COUNTER,                                        \
                "Calls that the fleet's store refused, or did not answer in time."),               \
         IF_FLEET)                                                                                 \
    READ(fleet_late_answers, seen->late_answers,                                                   \
         FAMILY("allowd_fleet_late_answers_total", COUNTER,                                        \
                "Answers of the fleet's store that came too late to be used."),                    \
         IF_FLEET)                                                                                 \
    OWN(fleet_call_ns,                                                                             \
        FAMILY("allowd_fleet_call_duration_seconds", HISTOGRAM,                                    \
               "Time until the fleet's store has answered a call."),                               \
        IF_FLEET)                                                                                  \
    READ(fleet_orders, answer->daemon.fleet.counters.orders,                                       \
         FAMILY("allowd_fleet_orders_total", COUNTER,                                              \
                "Orders for tokens of a key, and tokens of it given back."),                       \
         IF_FLEET)                                                                                 \
    READ(fleet_orders_failed, answer->daemon.fleet.counters.orders_failed,                         \
         FAMILY("allowd_fleet_orders_failed_total", COUNTER,                                       \
                "Orders that were refused, unanswered or not sent."),                              \
         IF_FLEET)                                                                                 \
    READ(fleet_keys, answer->daemon.fleet.shares,                                                  \
         FAMILY("allowd_fleet_keys", GAUGE,                                                        \
                "Keys of limits of scope fleet that are in use here now."),                        \
         IF_FLEET)                                                                                 \
    READ(fleet_hand, fleet_hand_tokens(&answer->daemon.fleet.counters),                            \
         FAMILY("allowd_fleet_hand_tokens", GAUGE,                                                 \
                "Tokens that the store has granted and that can be spent here now."),              \
         IF_FLEET)                                                                                 \
    READ(fleet_granted, answer->daemon.fleet.counters.granted_tokens,                              \
         FAMILY("allowd_fleet_granted_tokens_total", COUNTER, "Tokens that the store granted."),   \
         IF_FLEET)                                                                                 \
    READ(fleet_spent, answer->daemon.fleet.counters.spent_tokens,                                  \
         FAMILY("allowd_fleet_spent_tokens_total", COUNTER,                                        \
                "Tokens of these that requests and charges took."),                                \
         IF_FLEET)                                                                                 \
    READ(fleet_returned, answer->daemon.fleet.counters.returned_tokens,                            \
         FAMILY("allowd_fleet_returned_tokens_total", COUNTER,                                     \
                "Tokens of these that were given back to the store."),                             \
         IF_FLEET)                                                                                 \
    READ(fleet_lost, answer->daemon.fleet.counters.lost_tokens,                                    \
         FAMILY("allowd_fleet_lost_tokens_total", COUNTER,                                         \
                "Tokens of these that became void, because the store was not reached in time or "  \
                "had forgotten them."),                                                            \
         IF_FLEET)                                                                                 \
    READ(fleet_rollbacks, answer->daemon.fleet.counters.rollbacks,                                 \
         FAMILY("allowd_fleet_rollbacks_total", COUNTER,                                           \
                "Times that the store had forgotten what it granted for a key, and charged "       \
                "it again."),                                                                      \
         IF_FLEET)                                                                                 \
    READ(fleet_cold, answer->daemon.fleet.counters.cold_waits,                                     \
         FAMILY("allowd_fleet_cold_waits_total", COUNTER,                                          \
                "Questions that waited for an answer of the store."),                              \
         IF_FLEET)                                                                                 \
    READ(fleet_partitioned, answer->daemon.fleet.counters.partitioned,                             \
         FAMILY("allowd_fleet_partitioned_total", COUNTER,                                         \
                "Questions that were decided as on_partition says."),                              \
         IF_FLEET)                                                                                 \
    READ(fleet_epochs, answer->daemon.fleet.counters.epochs,                                       \
         FAMILY("allowd_fleet_forgotten_total", COUNTER,                                           \
                "Times that a key found the store to have forgotten everything."),                 \
         IF_FLEET)                                                                                 \
    READ(fleet_damaged, answer->daemon.fleet.counters.damaged,                                     \
         FAMILY("allowd_fleet_damaged_total", COUNTER,                                             \
                "Records that the store found damaged, and that began anew, empty."),              \
         IF_FLEET)                                                                                 \
    READ(fleet_converted, answer->daemon.fleet.counters.converted,                                 \
         FAMILY("allowd_fleet_converted_total", COUNTER,                                           \
                "Records that were of other terms, and are of ours now; if that goes on, "         \
                "sidecars of one fleet have different limits."),                                   \
         IF_FLEET)                                                                                 \
    READ(fleet_behind, answer->daemon.fleet.counters.behind_ms *UINT64_C(1000000),                 \
         FAMILY("allowd_fleet_clock_behind_seconds", GAUGE,                                        \
                "By how much the store's clock was last found off: it has gone back, or faster "   \
                "than ours."),                                                                     \
         IN_NANOSECONDS, IF_FLEET)                                                                 \
    OWN(events, FAMILY("allowd_events_total", COUNTER,                                             \
                       "Events, of which one may stand for several of what it tells."))            \
    STATE(events_lost, NOT_IN_STATUS, /* of readers that came too late for them */                 \
          FAMILY("allowd_events_lost_total", COUNTER,                                              \
                 "Events that readers have missed, because they came too late for them."))         \
    READ(ticks, answer->ticks, FAMILY("allowd_ticks_total", COUNTER, "Ticks credited."))           \
    READ(tick_lag, answer->tick_lag_ns,                                                            \
         FAMILY("allowd_tick_lag_seconds", GAUGE,                                                  \
                "The longest that a tick was late in the last minute or two."),                    \
         IN_NANOSECONDS)                                                                           \
    READ(state_degraded, answer->daemon.lost_state != NULL,                                        \
         FAMILY("allowd_state_degraded", GAUGE,                                                    \
                "Whether the state will not outlive the process, though it should: 1, else 0."))   \
    STATE(                                                                                         \
        restored_keys, NOT_IN_STATUS, /* at the start; 0 where no state is kept */                 \
        FAMILY("allowd_state_restored_keys", GAUGE, "Keys taken up from the state at the start.")) \
    STATE(refused, NOT_IN_STATUS, /* states that could not be used at the start */                 \
          FAMILY("allowd_state_refused_total", COUNTER,                                            \
                 "State files that were refused and put aside."))                                  \
    READ(mended, answer->damage.mended,                                                            \
         FAMILY("allowd_state_damaged_total", COUNTER,                                             \
                "Entries of the state that were found damaged: mended, or believed to be empty, "  \
                "or dropped."),                                                                    \
         LABEL("result", "mended"))                                                                \
    READ(emptied, answer->damage.emptied, SAME_FAMILY, LABEL("result", "emptied"))                 \
    READ(dropped, answer->damage.dropped, SAME_FAMILY, LABEL("result", "dropped"))                 \
    READ(lost_sockets, answer->daemon.surroundings.lost_sockets,                                   \
         FAMILY("allowd_sockets_lost", GAUGE,                                                      \
                "Unix sockets whose file is no longer at its path, so that nobody new can "        \
                "connect."))                                                                       \
    READ(changed_files, surroundings_changed_files(&answer->daemon.surroundings),                  \
         FAMILY("allowd_files_changed", GAUGE,                                                     \
                "Files, of the configuration and the admin token, that have changed or gone "      \
                "since they were read."))                                                          \
    STATE(reloads, IN_STATUS, /* LIMITS */                                                         \
          FAMILY("allowd_config_reloads_total", COUNTER, "Reloads of the configuration."),         \
          LABEL("result", "success"))                                                              \
    STATE(reloads_failed, NOT_IN_STATUS, /* RELOAD_FAILED */                                       \
          SAME_FAMILY, LABEL("result", "failure"))                                                 \
    READ(last_reload, !answer->meters.last_reload_failed,                                          \
         FAMILY("allowd_config_last_reload_successful", GAUGE,                                     \
                "Whether the last reload succeeded, or there was none: 1, else 0."))               \
    READ(reloaded, (uint64_t)answer->meters.reloaded_s,                                            \
         FAMILY("allowd_config_last_reload_success_timestamp_seconds", GAUGE,                      \
                "When the configuration in force was put into force, the start included."))        \
    STATE(config_warnings, IN_STATUS, /* LIMITS; not a count, but how many there are */            \
          FAMILY("allowd_config_warnings", GAUGE,                                                  \
                 "Warnings about the configuration in force; the log has their texts."))           \
    READ(log_lines_lost, answer->log_lines_lost,                                                   \
         FAMILY("allowd_log_lines_lost_total", COUNTER,                                            \
                "Log lines that standard error had no room for, or did not take."))                \
    READ(build_info, 1,                                                                            \
         FAMILY("allowd_build_info", GAUGE, "The version, as a label of the number 1."),           \
         LABEL("version", PACKAGE_VERSION))                                                        \
    READ(resident, process->resident_bytes,                                                        \
         FAMILY("process_resident_memory_bytes", GAUGE, "Resident memory in bytes."))              \
    READ(descriptors, process->descriptors,                                                        \
         FAMILY("process_open_fds", GAUGE, "Open descriptors."))                                   \
    READ(descriptors_max, process->descriptors_max,                                                \
         FAMILY("process_max_fds", GAUGE, "Descriptors there may be."))                            \
    READ(started, (uint64_t)answer->meters.started_s,                                              \
         FAMILY("process_start_time_seconds", GAUGE, "When the process started, in Unix time."))   \
    READ(cpu, process->cpu_ns,                                                                     \
         FAMILY("process_cpu_seconds_total", COUNTER, "Processor time used."), IN_NANOSECONDS)

/* The rows of some sorts, for X(field, the rest of the row). */
#define COUNTERS_NONE(...)
#define BRAIN_COUNTERS(X) COUNTERS(X, X, COUNTERS_NONE, COUNTERS_NONE, COUNTERS_NONE)
#define TOLD_COUNTERS(X) COUNTERS(COUNTERS_NONE, X, COUNTERS_NONE, COUNTERS_NONE, COUNTERS_NONE)
#define FRONT_COUNTERS(X) COUNTERS(COUNTERS_NONE, COUNTERS_NONE, X, COUNTERS_NONE, COUNTERS_NONE)

/* What the brain has counted since the start. */
struct brain_counters {
#define X(field, ...) uint64_t field;
    BRAIN_COUNTERS(X)
#undef X
};

/* ---- what each message counts; what ALLOW counts is in decide.c ---- */

static inline void counters_reset(struct brain_counters *counters)
{
    counters->resets++;
}

static inline void counters_refunded(struct brain_counters *counters)
{
    counters->refunds++;
}

/* A sum that 64 bits do not hold stays at the end. */
static inline void counters_add(uint64_t *sum, uint64_t tokens)
{
    if (__builtin_add_overflow(*sum, tokens, sum))
        *sum = UINT64_MAX;
}

static inline void counters_charged(struct brain_counters *counters, uint64_t forgiven_tokens)
{
    counters->charges++;
    counters_add(&counters->forgiven_tokens, forgiven_tokens);
}

static inline void counters_told_status(struct brain_counters *counters)
{
    counters->statuses++;
}

/* A question was asked again with the token of an earlier one, and got that one's answer. */
static inline void counters_repeated(struct brain_counters *counters)
{
    counters->repeated++;
}

/* A check found no key. */
static inline void counters_missed(struct brain_counters *counters, bool allows)
{
    if (allows)
        counters->missing_allowed++;
    else
        counters->missing_denied++;
}

/* A rule of a check let a request pass. */
static inline void counters_skipped(struct brain_counters *counters)
{
    counters->skipped++;
}

static inline void counters_reloaded(struct brain_counters *counters, bool is_in_force)
{
    if (is_in_force)
        counters->reloads++;
    else
        counters->reloads_failed++;
}
