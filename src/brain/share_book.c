#include "brain/share_book.h"
