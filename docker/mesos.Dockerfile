# syntax=docker/dockerfile:1
# An image with nothing but the tree of a Mesos package in /opt/mesos: what MESOS_IMAGE of the Dockerfile wants. This one is
# made of the package that scripts/build leaves in target/packages; a site has its own Mesos, laid out the same way.
FROM scratch
ARG MESOS_VERSION=1.11.0
ADD target/packages/mesos--${MESOS_VERSION}.tar.gz /opt/mesos/
