// Prints every number that this library and libmesos have to agree upon, one a
// line. `check-abi` compiles it against our declarations and against Mesos's.

#include <cstring>
#include <iostream>

#include "layout.hpp"

namespace layout {

// Where a virtual function stands in its table, in bytes: how the Itanium ABI
// writes a pointer to one, plus one.
template <typename Method>
static long slot(Method method)
{
  long pointer = 0;
  ::memcpy(&pointer, &method, sizeof(pointer));
  return pointer - 1;
}


// Chooses among overloads by their parameter.
template <typename Parameter>
static long slotOf(void (ProcessBase::*method)(Parameter))
{
  return slot(method);
}


template <typename Name, typename Number>
static void print(const Name& name, Number number)
{
  std::cout << name << " " << number << "\n";
}


static void printAll()
{
#define PRINT_SIZE(TYPE, BYTES) print("sizeof " #TYPE, sizeof(TYPE));
#define PRINT_OFFSET(TYPE, MEMBER, BYTES) \
  print("offset " #TYPE "::" #MEMBER, offsetof(TYPE, MEMBER));
#define PRINT_VALUE(ENUMERATOR, NUMBER) \
  print("value " #ENUMERATOR, static_cast<int>(ENUMERATOR));

  DCOS_BITS_LAYOUT(PRINT_SIZE, PRINT_OFFSET, PRINT_VALUE)

#define PRINT_SLOT(METHOD, PARAMETER) \
  print("slot " #METHOD "(" #PARAMETER ")", \
        slotOf<PARAMETER>(&ProcessBase::METHOD));

  PRINT_SLOT(consume, process::MessageEvent&&)
  PRINT_SLOT(consume, process::DispatchEvent&&)
  PRINT_SLOT(consume, process::HttpEvent&&)
  PRINT_SLOT(consume, process::ExitedEvent&&)
  PRINT_SLOT(consume, process::TerminateEvent&&)
  PRINT_SLOT(serve, process::Event&&)
  PRINT_SLOT(exited, const UPID&)
  PRINT_SLOT(lost, const UPID&)
  print("slot initialize()", slot(&ProcessBase::initialize));
  print("slot finalize()", slot(&ProcessBase::finalize));

  // What libmesos looks our headers up by.
  const process::http::CaseInsensitiveHash hash{};
  for (const char* name : {"", "Content-Length", "content-TYPE", "\xc3\xa4"}) {
    print("hash " + std::string(name), hash(name));
  }

  print("headers keep their hashes",
        std::__cache_default<
            std::string, process::http::CaseInsensitiveHash>::value);
}

} // namespace layout {


int main()
{
  layout::printAll();
  return 0;
}
