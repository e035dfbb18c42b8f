/*
 * A store that the test plays: a server of RESP on a socket, in the test's own thread, which answers as it is told.
 *
 * By itself it answers as Redis 7.0.15 would: to AUTH, HELLO, ROLE, SCRIPT LOAD, CONFIG GET, SENTINEL and EVALSHA. The answer
 * to a call grants each record the number that its key ends with, so that a test sees whose answer an order got.
 *
 * Owns its sockets. One thread. Never blocks.
 */
#pragma once

#include "fleet/resp.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PLAYED_CONNECTIONS 8
#define PLAYED_SHA "0123456789abcdef0123456789abcdef01234567"

struct played_connection {
    int fd; /* -1: none */
    bool is_asking;
    struct resp_in in;
    char *out; /* what is to be sent */
    size_t out_len, sent;
};

struct played {
    int listener;
    unsigned port;  /* of TCP */
    char path[108]; /* of a Unix socket */
    struct played_connection connection[PLAYED_CONNECTIONS];
    /* what it does; all zeros: what a good store does */
    bool is_silent;       /* it answers nothing; what it was asked is answered later */
    bool is_deaf;         /* it does not even read */
    size_t piece;         /* it sends so many bytes at a time; 0: all */
    size_t closes_after;  /* it closes once it has sent so many bytes in all; 0: never */
    const char *greeting; /* raw bytes that it says instead of any answer */
    /* it answers each command with the bytes up to the next 0xff, whatever they are; or NULL */
    const unsigned char *lumps;
    size_t lumps_len;
    const char *refuses; /* a command, which is answered by this: */
    const char *refusal; /* an error's text, or what begins with another byte of RESP, as it is */
    bool has_script;     /* it knows the script; set by SCRIPT LOAD */
    bool has_no_epoch;   /* the first call is answered AGAIN */
    bool auth_ends_refusal;
    const char *hello; /* the reply to HELLO, or NULL */
    const char *policy, *replicas, *role;
    unsigned master_port; /* of a sentinel: what it tells, at 127.0.0.1; 0: it knows none */
    const char *slots;    /* the reply to CLUSTER SLOTS */
    int (*moves)(const char *record); /* the port of the node that has a record; 0: this one */
    bool asks;                        /* that is told by ASK, and not MOVED */
    /* what it saw */
    unsigned connects, commands, calls, records, loads, askings, slots_asked;
    char last_auth[256];
    size_t sent_bytes;
};

void played_listen(struct played *played, const char *path); /* on a Unix socket */
void played_listen_tcp(struct played *played);               /* at any port of 127.0.0.1 */
void played_stop_listening(struct played *played);
void played_close_all(struct played *played); /* its connections */
void played_release(struct played *played);

/* Accepts, reads, answers and sends what can be. Whether anything has happened. */
bool played_turn(struct played *played);
