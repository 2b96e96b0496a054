// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// Tests of keys_test.c, run by guard_test.c.

#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

void test_siphash_is_libsodiums(void **state);
void test_keys_file(void **state);
void test_keys_file_is_private(void **state);
void test_mac(void **state);
