#!/bin/sh
echo no Go binary
