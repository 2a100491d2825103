// mimalloc serves the tools' operator new. The only file of the tools that knows the library; left
// out of sanitizer builds, which bring an operator new of their own.
#include <mimalloc-new-delete.h>
